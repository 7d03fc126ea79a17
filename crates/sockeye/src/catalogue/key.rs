//! What `key` tells.

use super::texts;

texts! {
    MADE: "made a new key for this user", "已为当前用户生成新密钥";
    KEY: "key", "公钥";
    CERTIFICATE: "certificate", "证书";
    CURL: "for curl", "供 curl";
    KEY_FILE: "secret in", "私钥文件";
    CERTIFICATE_FILE: "certificate in", "证书文件";
    KNOWN_FILE: "known peers in", "已知对端";
    AUTHORIZED_FILE: "allowed keys in", "已授权公钥";
    LET_IN: "Another machine lets this key in with:\n  sockeye key allow {key} NAME exec,files",
        "在另一台机器上授权此公钥：\n  sockeye key allow {key} 名字 exec,files";
    PINNED: "{place} is expected to have the key {key}", "{place} 的公钥应为 {key}";
    WAS_PINNED: "{place} was expected to have this key already: {key}", "{place} 的公钥原本就应为 {key}";
    PINNED_OTHERWISE: "{place} is pinned to {key} ({file}:{line}); if that is over: sockeye key forget {place}",
        "{place} 已记为 {key}（{file}:{line}）；若已作废：sockeye key forget {place}";
    FORGOTTEN: "the key of {place} is forgotten", "已忘记 {place} 的公钥";
    NOT_KNOWN: "no key of {place} is known; sockeye key known lists them", "没有 {place} 的公钥；sockeye key known 列出全部";
    ALLOWED: "{name} may use {may} with the key {key}", "{name} 可凭公钥 {key} 使用 {may}";
    ALLOWED_NOW: "{name} may now use {may} with the key {key}", "{name} 现在可凭公钥 {key} 使用 {may}";
    WAS_ALLOWED: "{name} was allowed {may} already with the key {key}", "{name} 原本就可凭公钥 {key} 使用 {may}";
    DENIED: "{name} is let in no more with the key {key}", "{name} 不能再凭公钥 {key} 进入";
    NOT_ALLOWED: "nobody is allowed in as {who}; sockeye key allowed lists them", "没有授权给 {who}；sockeye key allowed 列出全部";
}
