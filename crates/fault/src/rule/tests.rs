//! What is a rule, and what is none.

use sockeye_trace::Lang;

use super::*;

#[track_caller]
fn check(text: &str, shown: &str) {
    let rule: Rule = text.parse().unwrap();
    assert_eq!(rule.to_string(), shown);
    assert_eq!(shown.parse(), Ok(rule));
}

#[track_caller]
fn check_refused(text: &str, why: &str) {
    let error = text.parse::<Rule>().unwrap_err();
    assert_eq!(error.to_string(), why);
    assert_eq!(error.text, text);
    let chinese = error.words(Lang::Zh);
    assert!(!chinese.is_ascii() && !chinese.contains('\n'), "{chinese}");
}

#[test]
fn display_prints_what_is_read() {
    for text in [
        "delay:20ms",
        "delay:20ms,jitter=5ms",
        "delay:250us,jitter=10us,unordered,to=client",
        "rate:1MiB",
        "rate:125000,queue=64KiB",
        "loss:1%",
        "loss:0.25%,to=server",
        "drop",
        "drop:nth=3,to=server",
        "drop:flags=SA,times=2",
        "duplicate",
        "duplicate:10%",
        "reorder:1%,by=3",
        "reorder:nth=2,by=3,within=1s",
        "corrupt:0.1%",
        "split:100",
        "split:frame=u16be,at=3",
        "split:frame=\"u16be,off=2\",at=3",
        "coalesce:1000,within=20ms",
        "stall",
        "stall:500ms,after=3",
        "half-open:content=BYE",
        "reset:nth=5,proto=tcp,peer=2",
        "limit:64KiB",
        "mtu:1400",
        "mtu:1400,icmp",
        "drop:min=100,max=1400,first=3,after=1,every=4",
        "drop:content=0x00ff",
        "drop:content=a\\,b\\\"c\\\\",
        "drop:content=你好",
        "drop:frame=line,nth=2",
    ] {
        check(text, text);
    }
}

#[test]
fn one_rule_has_one_text() {
    check("drop,nth=3", "drop:nth=3");
    check("reorder,by=3", "reorder:by=3");
    check("drop:content=a b;c", "drop:content=a\\x20b\\x3bc");
    check("drop:content=\"a,b\",nth=1", "drop:content=a\\,b,nth=1");
    check("drop:content=\"\\\"\"", "drop:content=\\\"");
    check("drop:frame=\"line\"", "drop:frame=line");
    check("drop:frame=\"delim:;\"", "drop:frame=delim:\\x3b");
    check("drop:frame=delim:a\\,b", "drop:frame=\"delim:a\\,b\"");
}

#[test]
fn what_is_no_rule_is_explained() {
    check_refused(
        "dorp",
        "rule \"dorp\" breaks at byte 0: no rule is called \"dorp\"; known are delay, rate, loss, drop, \
         duplicate, reorder, corrupt, split, coalesce, stall, half-open, reset, limit, mtu",
    );
    check_refused(
        "",
        "rule \"\" breaks at byte 0: no rule is called \"\"; known are delay, rate, loss, drop, \
         duplicate, reorder, corrupt, split, coalesce, stall, half-open, reset, limit, mtu",
    );
    check_refused(
        "drop:nht=3",
        "rule \"drop:nht=3\" breaks at byte 5: \"nht=\" cannot follow drop; allowed is \
         to=server|client, peer=N, proto=tcp|udp|icmp, flags=FLAGS, min=SIZE, max=SIZE, \
         content=TEXT|0xHEX, frame=SPEC, nth=N, first=N, after=N, every=N, times=N",
    );
    check_refused(
        "drop:3",
        "rule \"drop:3\" breaks at byte 5: \"3\" cannot follow drop; allowed is to=server|client, \
         peer=N, proto=tcp|udp|icmp, flags=FLAGS, min=SIZE, max=SIZE, content=TEXT|0xHEX, \
         frame=SPEC, nth=N, first=N, after=N, every=N, times=N",
    );
    check_refused(
        "delay:20",
        "rule \"delay:20\" breaks at byte 6: \"20\" is no duration; write 250us, 20ms, 2s or 1m",
    );
    check_refused(
        "delay",
        "rule \"delay\" breaks at byte 5: delay needs DURATION",
    );
    check_refused(
        "delay:20ms,jitter=30ms",
        "rule \"delay:20ms,jitter=30ms\" breaks at byte 18: jitter=DURATION is 30ms, allowed is 1µs \
         to 20ms",
    );
    check_refused(
        "rate:1MB",
        "rule \"rate:1MB\" breaks at byte 5: \"1MB\" is no size; write a number of bytes, alone or \
         with KiB, MiB or GiB",
    );
    check_refused(
        "loss:2",
        "rule \"loss:2\" breaks at byte 5: \"2\" is no chance; write 0% to 100%, with up to four \
         digits behind the point",
    );
    check_refused("loss", "rule \"loss\" breaks at byte 4: loss needs P%");
    check_refused(
        "drop:nth=0",
        "rule \"drop:nth=0\" breaks at byte 9: nth=N is 0, allowed is 1 to 18446744073709551615",
    );
    check_refused(
        "drop:nth=1,nth=2",
        "rule \"drop:nth=1,nth=2\" breaks at byte 11: nth=N is given twice",
    );
    check_refused(
        "drop:to=left",
        "rule \"drop:to=left\" breaks at byte 8: \"left\" is no way; write server or client",
    );
    check_refused(
        "drop:flags=X",
        "rule \"drop:flags=X\" breaks at byte 11: \"X\" is no set of TCP flags; write letters of S, A, \
         F, R, P and U, or data, or ack",
    );
    check_refused(
        "drop:content=\"a",
        "rule \"drop:content=\\\"a\" breaks at byte 13: the quotation mark has no second one",
    );
    check_refused(
        "split:frame=u17,at=2",
        &format!(
            "rule \"split:frame=u17,at=2\" breaks at byte 12: {}",
            "u17".parse::<sockeye_frame::Framing>().unwrap_err()
        ),
    );
    check_refused(
        "split:frame=line",
        "rule \"split:frame=line\" breaks at byte 16: split needs at=N",
    );
    check_refused(
        "split",
        "rule \"split\" breaks at byte 5: split needs SIZE, or frame=SPEC with at=N",
    );
    check_refused(
        "mtu:20",
        "rule \"mtu:20\" breaks at byte 4: SIZE is 20, allowed is 68 to 65535",
    );
}

#[test]
fn odd_texts_are_refused_and_nothing_worse() {
    for text in [
        ":",
        ",",
        "drop:",
        "drop,",
        "drop:nth",
        "drop:nth=",
        "drop:,",
        "drop:nth=1,",
        "drop:\\",
        "drop:content=",
        "drop:content=\\",
        "drop:content=\\é",
        "drop:content=\"\"",
        "drop:content=0x",
        "drop:content=0x0",
        "drop:content=\\xg1",
        "drop:content=\"a\"b",
        "drop:frame=",
        "delay:99h",
        "delay:2h",
        "delay:18446744073709551615m",
        "delay:0ms",
        "rate:0",
        "stall:",
        "nth=3",
        "delay:20ms:30ms",
        "mtu:1400,icmp=1",
        "drop:peer=0",
        "limit:",
        "DROP",
        "drop :nth=3",
    ] {
        assert!(text.parse::<Rule>().is_err(), "{text}");
    }
}

#[test]
fn a_text_to_look_for_has_a_limit() {
    let longest = format!("drop:content={}", "a".repeat(256));
    check(&longest, &longest);
    assert!(format!("{longest}a").parse::<Rule>().is_err());
}
