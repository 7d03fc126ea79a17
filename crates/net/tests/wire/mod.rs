//! A network device for tests in a private network: groups and neighbours, which the loopback
//! device does not have.

/// `ip link add wire type veth; ip address add 10.77.0.1/24 dev wire`, both ends up. By rtnetlink(7)
/// (RTM_NEWLINK with IFLA_IFNAME and IFLA_LINKINFO) and netdevice(7), for `ip` may be missing.
pub(crate) fn add() {
    let script = "
import fcntl, socket, struct, time
RTM_NEWLINK, IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND = 16, 3, 18, 1
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891c
def attribute(kind, data):
    return struct.pack('HH', 4 + len(data), kind) + data + bytes(-len(data) % 4)
with open('/proc/sys/net/ipv6/conf/default/accept_dad', 'w') as f:
    f.write('0')
link = bytes(16) + attribute(IFLA_IFNAME, b'wire\\0')
link += attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, b'veth'))
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
    s.send(struct.pack('IHHII', 16 + len(link), RTM_NEWLINK, 0x605, 1, 0) + link)
    assert struct.unpack('i', s.recv(4096)[16:20]) == (0,)
def inet(address):
    return struct.pack('16sHH4s8s', b'wire', socket.AF_INET, 0, socket.inet_aton(address), b'')
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for _, name in socket.if_nameindex():
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack('16sH14s', name.encode(), 0x1 | 0x40 | 0x1000, b''))
    fcntl.ioctl(s, SIOCSIFADDR, inet('10.77.0.1'))
    fcntl.ioctl(s, SIOCSIFNETMASK, inet('255.255.255.0'))
deadline = time.monotonic() + 10
while 'wire' not in open('/proc/net/if_inet6').read():
    assert time.monotonic() < deadline
    time.sleep(0.01)
";
    if let Some(mut script) = sockeye_testkit::python(script, &[]) {
        let exit = script.exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    }
}
