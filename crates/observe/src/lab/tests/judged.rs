//! A wire with rules.

use super::*;

#[test]
fn what_a_rule_drops_is_told_and_sent_again() {
    check(|| {
        let laid = lay(&Setting::default(), &["drop:nth=1,flags=data,to=server"]);
        laid.carry(9);
        let again = laid.client.counters().unwrap()["Tcp.RetransSegs"];
        let (lines, _) = laid.end();
        let data: Vec<_> = lines.iter().filter(|line| line.payload == 9).collect();
        assert!(data.len() >= 2, "{lines:?}");
        assert!(data[0].why.starts_with("dropped by drop:"), "{data:?}");
        assert!(data[1..].iter().all(|line| line.why.is_empty()), "{data:?}");
        assert_eq!(again as usize, data.len() - 1);
    });
}

#[test]
fn a_reset_reaches_both_ends() {
    check(|| {
        let laid = lay(&Setting::default(), &["reset:nth=1,flags=data"]);
        let (mut client, mut server) = laid.connect();
        client.write_all(b"hello").unwrap();
        for stream in [&mut client, &mut server] {
            let error = stream.read(&mut [0; 9]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        }
        let (lines, _) = laid.end();
        let texts = texts(&lines);
        assert_eq!(texts[5..8], ["1 AP 5", "2 made AR 0", "1 made R 0"]);
        assert_eq!(texts.len(), 8);
        assert!(lines[5].why.starts_with("reset by"), "{:?}", lines[5]);
    });
}

#[test]
fn a_sender_learns_what_fits_from_the_wire() {
    check(|| {
        let laid = lay(&Setting::default(), &["mtu:1000,icmp,to=server"]);
        laid.carry(5000);
        let told = laid.client.counters().unwrap()["Icmp.InDestUnreachs"];
        let (lines, _) = laid.end();
        let made: Vec<_> = lines
            .iter()
            .filter(|line| line.text.contains("made"))
            .collect();
        assert_eq!(made.len(), told as usize);
        assert!(told > 0);
        let passed = lines.iter().filter(|line| line.why.is_empty());
        assert_eq!(passed.map(|line| line.payload).max(), Some(1000 - 52));
    });
}

/// Chance does not decide: of many round trips one was not held up by somebody else.
#[test]
fn delays_are_exact() {
    check(|| {
        let laid = lay(&Setting::default(), &["delay:5ms"]);
        let (mut client, mut server) = laid.connect();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let echo = std::thread::spawn(move || {
            let mut byte = [0];
            while server.read(&mut byte).unwrap() == 1 {
                server.write_all(&byte).unwrap();
            }
        });
        let mut least = Duration::MAX;
        for _ in 0..30 {
            let begun = Instant::now();
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
            least = least.min(begun.elapsed());
        }
        drop(client);
        echo.join().unwrap();
        let allowed = Duration::from_millis(10)..Duration::from_micros(10_900);
        assert!(allowed.contains(&least), "{least:?}");
    });
}

#[test]
fn rules_change_while_it_runs() {
    check(|| {
        let laid = lay(&Setting::default(), &[]);
        let (mut client, mut server) = laid.connect();
        client.write_all(b"a").unwrap();
        server.read_exact(&mut [0]).unwrap();
        laid.wire.faults(parse(&["drop:flags=data"])).unwrap();
        let before = laid.wire.passed().count(None, "data");
        client.write_all(b"bc").unwrap();
        wait_for("a packet", || {
            laid.wire.passed().count(None, "data") > before
        });
        laid.wire.faults(vec![]).unwrap();
        // It is sent again.
        server.read_exact(&mut [0; 2]).unwrap();
        let (lines, _) = laid.end();
        let data: Vec<_> = lines.iter().filter(|line| line.payload > 0).collect();
        assert_eq!((data[0].payload, &*data[0].why), (1, ""));
        assert!(data[1].why.starts_with("dropped"), "{data:?}");
        assert_eq!(data.last().unwrap().why, "");
    });
}

/// Rules are shown true packets, and hosts take for sound what was cut for them.
#[test]
fn with_offload_rules_see_what_super_segments_stand_for() {
    check(|| {
        let fast = Setting {
            fast: Some(true),
            ..Setting::default()
        };
        let laid = lay(&fast, &["drop:nth=20,flags=data,to=server"]);
        laid.carry(1 << 20);
        let errors =
            [&laid.client, &laid.server].map(|host| host.counters().unwrap()["Tcp.InErrs"]);
        let (lines, statistics) = laid.end();
        assert_eq!(errors, [0, 0]);
        assert_eq!((statistics.missed, statistics.refused), (0, 0));
        assert!(
            lines
                .iter()
                .all(|line| line.payload <= 1448 && line.piece == 0)
        );
        let dropped = lines.iter().filter(|line| line.why.starts_with("dropped"));
        assert_eq!(dropped.count(), 1);
    });
}
