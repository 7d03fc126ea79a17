//! What `lab` says.

use super::texts;

texts! {
    REFUSED_AT_HOME: "nobody listens at {address} on the client's host: the server is on another one, at 10.0.0.2, which has the name server", "客户端主机上的 {address} 没有人监听：服务器在另一台主机上，地址是 10.0.0.2，名字是 server";
}
