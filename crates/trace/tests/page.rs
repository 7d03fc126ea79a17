//! The page in a real browser: what it draws, what it joins, and that nothing gets out of its data.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sockeye_testkit::Browser;
use sockeye_trace::sample::{CLIENT, SERVER, Script};
use sockeye_trace::{Finding, Gauge, Lang, Session, Timeline, Weight, render};

/// A page of a session in a file, which goes with it.
struct Page(PathBuf);

impl Page {
    fn new(name: &str, session: &Session, findings: &[Finding], lang: Lang) -> Self {
        let path =
            std::env::temp_dir().join(format!("sockeye-page-{}-{name}.html", std::process::id()));
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        render::html::write(&Timeline::build(session), findings, lang, &mut file).unwrap();
        file.flush().unwrap();
        Self(path)
    }

    /// Opens it in a browser and checks that it is quiet: no complaint, and no request but its own.
    fn open(&self, browser: &mut Browser) {
        browser.open(&self.0);
        assert_eq!(
            browser.evaluate("document.documentElement.dataset.ready"),
            "true"
        );
        self.quiet(browser);
    }

    fn quiet(&self, browser: &Browser) {
        let (asked, wrong) = browser.complaints();
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(asked, [format!("file://{}", self.0.display())]);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Three writes in one segment, read in two pieces, and an answer.
fn exchange() -> Session {
    let mut script = Script::new();
    let talk = script.connected_tcp();
    script.write(talk, CLIENT, b"first");
    script.write(talk, CLIENT, b"second");
    script.write(talk, CLIENT, b"third");
    script.segment(talk, CLIENT, 0..16);
    script.read(talk, SERVER, 8, 8);
    script.read(talk, SERVER, 8, 8);
    script.wait(900_000);
    script.write(talk, SERVER, b"answer");
    script.segment(talk, SERVER, 0..6);
    script.read(talk, CLIENT, 64, 6);
    script.close(talk, CLIENT);
    script.session()
}

/// Waits until an expression is true: a page draws when the browser has time for it.
#[track_caller]
fn until(browser: &mut Browser, expression: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let frame = format!("new Promise((done) => requestAnimationFrame(() => done({expression})))");
    let mut last = Value::Null;
    while Instant::now() < deadline {
        last = browser.evaluate(&frame);
        if last == true {
            return;
        }
    }
    panic!("{expression} is still {last}");
}

/// The numbers of the events that stand out.
fn lit(browser: &mut Browser) -> Vec<u64> {
    let found = browser
        .evaluate("[...document.querySelectorAll('.mark.lit')].map((it) => +it.dataset.item)");
    let mut items: Vec<u64> = serde_json::from_value(found).unwrap();
    items.sort_unstable();
    items
}

/// Where an event's mark is on the screen.
fn place(browser: &mut Browser, item: &str) -> (f64, f64) {
    let box_ = browser.evaluate(&format!(
        "(() => {{ const r = document.querySelector('[data-item=\"' + {item} + '\"] .outline').getBoundingClientRect();
         return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
    ));
    (box_[0].as_f64().unwrap(), box_[1].as_f64().unwrap())
}

/// The expression for the event of a row at a place among its like.
fn item(row: u8, index: usize) -> String {
    format!(
        "[...document.querySelectorAll('[data-row=\"{row}\"]')].map((it) => +it.dataset.item).sort((a, b) => a - b)[{index}]"
    )
}

#[test]
fn hovering_joins_a_write_with_its_segment_and_its_reads() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new("hover", &exchange(), &[], Lang::En);
    page.open(&mut browser);

    let number =
        |browser: &mut Browser, row, index| browser.evaluate(&item(row, index)).as_u64().unwrap();
    let second = number(&mut browser, 0, 1);
    let spot = place(&mut browser, &item(0, 1));
    browser.mouse("mouseMoved", spot, &json!({}));
    // Bytes 5 to 11: the segment has them all, the reads cut them in two.
    let mut want = vec![
        second,
        number(&mut browser, 1, 0),
        number(&mut browser, 2, 0),
        number(&mut browser, 2, 1),
    ];
    want.sort_unstable();
    assert_eq!(lit(&mut browser), want);
    let tip = browser.evaluate("document.getElementById('tip').innerText");
    for part in [
        "6",
        "[5 … 11)",
        "second",
        "73 65 63 6f 6e 64",
        "client.py",
        "pid 100",
    ] {
        assert!(tip.as_str().unwrap().contains(part), "{part} in {tip}");
    }

    // The other way round: the first read took the first write and a part of the second.
    let spot = place(&mut browser, &item(2, 0));
    browser.mouse("mouseMoved", spot, &json!({}));
    let mut want = vec![
        number(&mut browser, 0, 0),
        second,
        number(&mut browser, 1, 0),
        number(&mut browser, 2, 0),
    ];
    want.sort_unstable();
    assert_eq!(lit(&mut browser), want);
    page.quiet(&browser);
}

#[test]
fn what_was_lost_on_its_way_leads_to_no_read() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut script = Script::new();
    let talk = script.connected_tcp();
    script.write(talk, CLIENT, b"once");
    script.verdict("dropped by drop:nth=1");
    script.segment(talk, CLIENT, 0..4);
    script.verdict("").wait(200_000);
    script.segment(talk, CLIENT, 0..4);
    script.read(talk, SERVER, 8, 4);
    let page = Page::new("lost", &script.session(), &[], Lang::En);
    page.open(&mut browser);
    // The write leads to both segments, and the second of these to the read.
    until(
        &mut browser,
        "document.querySelectorAll('.ribbon').length === 3",
    );
    let ends = browser.evaluate(&format!(
        "[...document.querySelectorAll('.ribbon')].filter((it) => it.dataset.to == {}).length",
        item(2, 0)
    ));
    assert_eq!(ends, 1);
}

#[test]
fn the_keyboard_reaches_every_event() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new("keys", &exchange(), &[], Lang::En);
    page.open(&mut browser);
    browser.evaluate("document.getElementById('stage').focus()");
    browser.key("ArrowRight");
    let spoken = browser.evaluate("document.getElementById('spoken').textContent");
    assert!(spoken.as_str().unwrap().contains("client"), "{spoken}");
    for key in ["ArrowDown", "ArrowDown", "ArrowRight"] {
        browser.key(key);
    }
    assert_eq!(
        browser.evaluate("document.getElementById('details').hidden"),
        false
    );
    assert!(!lit(&mut browser).is_empty());
    browser.key("Escape");
    assert_eq!(
        browser.evaluate("document.getElementById('details').hidden"),
        true
    );
    assert_eq!(lit(&mut browser), Vec::<u64>::new());
    page.quiet(&browser);
}

#[test]
fn wheel_drag_and_fit_move_the_window() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new("zoom", &exchange(), &[], Lang::En);
    page.open(&mut browser);
    until(
        &mut browser,
        "document.getElementById('window').textContent !== ''",
    );
    let view = "(() => { const { view } = sockeye.picture; return [view.from, view.to]; })()";
    let span = |value: &Value| value[1].as_f64().unwrap() - value[0].as_f64().unwrap();
    let all = browser.evaluate(view);
    let (middle, aside) = ((900.0, 500.0), (800.0, 500.0));
    browser.mouse("mouseWheel", middle, &json!({"deltaX": 0, "deltaY": -400}));
    let near = browser.evaluate(view);
    assert!(span(&near) < span(&all) * 0.7, "{all} {near}");
    browser.mouse(
        "mousePressed",
        middle,
        &json!({"button": "left", "clickCount": 1}),
    );
    browser.mouse(
        "mouseMoved",
        aside,
        &json!({"button": "left", "buttons": 1}),
    );
    browser.mouse("mouseReleased", aside, &json!({"button": "left"}));
    let moved = browser.evaluate(view);
    assert!(moved[0].as_f64() > near[0].as_f64(), "{near} {moved}");
    assert!((span(&moved) - span(&near)).abs() < 1e-6);
    browser.key("0");
    assert_eq!(browser.evaluate(view), all);
    // Pauses as they were: nearly everything happened in the first of 900 ms.
    browser.key("p");
    let place = "sockeye.picture.axis.place(1e6) / sockeye.picture.axis.total";
    assert!(browser.evaluate(place).as_f64().unwrap() < 0.01);
    page.quiet(&browser);
}

#[test]
fn the_filter_finds_bytes_ports_and_lanes() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut script = Script::new();
    let one = script.connected_tcp();
    script.write(one, CLIENT, b"a needle in hay");
    let two = script.connected_tcp();
    script.write(two, CLIENT, b"only hay");
    let page = Page::new("filter", &script.session(), &[], Lang::En);
    page.open(&mut browser);
    let mut filter = |text: &str| {
        browser.evaluate(&format!(
            "(() => {{ sockeye.act.filter({}); return [sockeye.picture.flows.map((it) => it.number), [...(sockeye.picture.hits ?? [])].length]; }})()",
            json!(text)
        ))
    };
    assert_eq!(filter("NEEDLE"), json!([[1], 1]));
    assert_eq!(filter("hay"), json!([[1, 2], 2]));
    assert_eq!(filter("port:40001"), json!([[2], 0]));
    assert_eq!(filter("program:client.py flow:1"), json!([[1], 0]));
    assert_eq!(filter("pid:999"), json!([[], 0]));
    filter("lane:wire");
    until(&mut browser, "!document.querySelector('[data-row=\"0\"]')");
    assert_eq!(
        browser.evaluate("document.querySelectorAll('[data-lane][aria-pressed=true]').length"),
        1
    );
    page.quiet(&browser);
}

#[test]
fn a_finding_leads_to_its_bytes() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let session = exchange();
    let timeline = Timeline::build(&session);
    let way = &timeline.flows[0].ways[0];
    let finding = Finding {
        name: "coalesced",
        weight: Weight::Notice,
        flow: Some(0),
        way: Some(0),
        bytes: 0..16,
        facts: vec![way.writes[0].fact, way.wire[0].fact],
        at: session.event(way.wire[0].fact).time,
        count: 1,
        sentence: ["Three became one.".into(), "三合为一。".into()],
    };
    let page = Page::new("finding", &session, &[finding], Lang::Zh);
    page.open(&mut browser);
    let list = browser.evaluate("document.getElementById('findings').innerText");
    assert!(list.as_str().unwrap().contains("三合为一。"), "{list}");
    browser.evaluate("document.querySelector('[data-finding=\"0\"]').click()");
    until(
        &mut browser,
        "document.querySelectorAll('.mark.lit').length === 6",
    );
    let inside = "[...document.querySelectorAll('.mark.lit .outline')].every((it) => { const r = it.getBoundingClientRect(); return r.left > 0 && r.right < innerWidth; })";
    assert_eq!(browser.evaluate(inside), true);
    page.quiet(&browser);
}

/// Whatever a peer sends, a program is called or a file says stays text.
#[test]
fn nothing_gets_out_of_the_data() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let evil = "</script><script>document.title='pwned'</script><!--<script>\u{2028}\u{202e}\u{1b}[2J\u{0}<img src=x onerror=\"document.title='pwned'\">{{program}}";
    let mut script = Script::new();
    let head = script.head();
    head.command = vec![evil.into()];
    head.host = evil.into();
    head.wire_note = evil.into();
    let talk = script.connected_tcp();
    script.write(talk, CLIENT, evil.as_bytes());
    script.write(talk, CLIENT, b"\xff\xfe\xc0\x80\xed\xa0\x80 broken");
    script.gap(&sockeye_trace::Gap {
        what: evil.into(),
        count: 1,
        pid: 1,
        detail: evil.into(),
    });
    let session = script.session();
    let finding = Finding {
        name: "coalesced",
        weight: Weight::Trouble,
        flow: Some(0),
        way: Some(0),
        bytes: 0..1,
        facts: vec![],
        at: sockeye_trace::Time::default(),
        count: 1,
        sentence: [evil.into(), evil.into()],
    };
    let page = Page::new("evil", &session, &[finding], Lang::En);
    page.open(&mut browser);
    for index in [0, 1] {
        let number = browser.evaluate(&item(0, index));
        browser.evaluate(&format!(
            "sockeye.act.choose({number}); sockeye.act.hover({number}, 500, 400)"
        ));
        until(&mut browser, "!document.getElementById('details').hidden");
    }
    let title = browser.evaluate("document.title");
    assert!(title.as_str().unwrap().starts_with("sockeye · "), "{title}");
    let shown = browser.evaluate("document.body.innerText + [...document.querySelectorAll('svg text')].map((it) => it.textContent).join()");
    let shown = shown.as_str().unwrap();
    assert!(
        shown.contains("\\xff\\xfe\\xc0\\x80\\xed\\xa0\\x80 broken"),
        "{shown}"
    );
    assert!(shown.contains("\\u{202e}\\x1b[2J\\x00<img"), "{shown}");
    for hidden in ['\u{202e}', '\u{2028}', '\u{1b}', '\u{0}'] {
        assert!(!shown.contains(hidden), "{hidden:?}");
    }
    let elements =
        browser.evaluate("[document.querySelectorAll('img').length, document.scripts.length]");
    assert_eq!(
        elements,
        json!([0, 2]),
        "no picture, and no script but the data and the program"
    );
    page.quiet(&browser);
}

/// What the page decodes is what the timeline holds.
#[test]
fn every_fact_is_in_the_page() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    for length in [1, 200, 3, 70_000] {
        let bytes: Vec<u8> = (0..length).map(|it: u32| (it * 7) as u8).collect();
        script.write(tcp, CLIENT, &bytes);
    }
    script.super_segment(tcp, CLIENT, 0..4344, 1448);
    script.segment(tcp, CLIENT, 0..1448);
    script.read(tcp, SERVER, 4096, 4096);
    script.fail(tcp, SERVER, sockeye_trace::Kind::Read, 100, 11);
    let gauge = Gauge {
        unsent: 1000,
        unacked: 234,
        unread: 5,
        send_limit: 87_040,
        ..Gauge::default()
    };
    script.gauge(tcp, SERVER, gauge);
    script.close(tcp, SERVER);
    let udp = script.udp();
    for length in [5, 0, 2000] {
        let bytes = vec![b'u'; length];
        script.write(udp, CLIENT, &bytes);
        script.datagram(udp, CLIENT, &bytes);
        script.receive(udp, SERVER, 1024, &bytes);
    }
    let session = script.session();
    let timeline = Timeline::build(&session);
    let base = session.span().unwrap().start;
    let mut want = Vec::new();
    for flow in &timeline.flows {
        let mut rows = Vec::new();
        for item in flow.items(&timeline) {
            let fact = session.fact(flow.fact_of(&item));
            let way = &flow.ways[usize::from(item.way)];
            let (row, bytes, datagram) = match item.lane {
                sockeye_trace::Lane::AppWrite => {
                    let it = &way.writes[item.index as usize];
                    (0, it.bytes.clone(), it.datagram)
                }
                sockeye_trace::Lane::Wire => {
                    let it = &way.wire[item.index as usize];
                    (1, it.bytes.clone(), it.datagram)
                }
                sockeye_trace::Lane::AppRead => {
                    let it = &way.reads[item.index as usize];
                    (2, it.bytes.clone(), it.datagram)
                }
                sockeye_trace::Lane::Life => (6, 0..0, 0),
            };
            let packet = fact.kind() == sockeye_trace::Kind::Packet;
            let row = if row == 6 {
                6 + u8::from(packet)
            } else {
                item.way * 3 + row
            };
            rows.push(json!([
                item.from.since(base).as_nanos() as u64,
                row,
                item.end,
                fact.call() as u8,
                fact.event.took_ns,
                bytes.start,
                bytes.end - bytes.start,
                if flow.transport.is_stream() {
                    0
                } else {
                    datagram
                },
                fact.event.result,
                fact.text,
            ]));
        }
        rows.sort_by_key(ToString::to_string);
        want.push(Value::Array(rows));
    }
    let page = Page::new("facts", &session, &[], Lang::En);
    page.open(&mut browser);
    let got = browser.evaluate(
        "sockeye.about.flows.filter((flow) => !flow.apart).map((flow) => {
            const rows = [];
            const e = sockeye.events;
            for (let i = flow.first; i < flow.last; i++) {
                const shape = e.shapes[e.shape[i]];
                rows.push([e.time[i], shape.row, shape.end, shape.call, e.took[i], e.lo[i], e.len[i], e.datagram[i], e.result[i], e.texts[e.text[i]]]);
            }
            return rows;
        })",
    );
    let Value::Array(got) = got else {
        panic!("{got}")
    };
    for (mut got, want) in got.into_iter().zip(want) {
        got.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        assert_eq!(got, want);
    }
    let gauges = "(() => { const { sending, sendRoom, unread, time } = sockeye.about.flows[0].gauges[1]; return [sending, sendRoom, unread, time.length]; })()";
    assert_eq!(browser.evaluate(gauges), json!([[1234], [87_040], [5], 1]));
    // Bytes: the second write's begin at offset 1 and are shown as far as the page keeps them.
    let shown = browser.evaluate(&format!(
        "(() => {{ const i = {}; const e = sockeye.events; return [...e.bytes.subarray(e.excerptAt[i], e.excerptAt[i] + e.excerptLen[i])]; }})()",
        item(0, 1)
    ));
    let want: Vec<u8> = (0..200u32).map(|it| (it * 7) as u8).collect();
    assert_eq!(shown, json!(want));
    page.quiet(&browser);
}

/// Many events: densities first, single events on zoom, and never more elements than can be drawn in a
/// moment.
#[test]
fn a_large_session_opens_and_moves() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut script = Script::new();
    let talks: Vec<_> = (0..8).map(|_| script.connected_tcp()).collect();
    let rounds = 8_000u64;
    for round in 0..rounds {
        for talk in &talks {
            script.write(*talk, CLIENT, &[round as u8; 64]);
            script.segment(*talk, CLIENT, round * 64..round * 64 + 64);
            script.read(*talk, SERVER, 64, 64);
        }
    }
    let session = script.session();
    assert!(session.len() > 190_000);
    let page = Page::new("large", &session, &[], Lang::En);
    let began = Instant::now();
    page.open(&mut browser);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    until(
        &mut browser,
        "document.querySelectorAll('[data-density]').length > 0",
    );
    let nodes = "document.querySelectorAll('#picture *').length";
    let frame =
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))";
    browser.evaluate(
        "sockeye.picture.flows.forEach((flow) => { flow.open = true; }); sockeye.act.fit()",
    );
    // From everything down to a few microseconds.
    for _ in 0..40 {
        browser.evaluate(&format!("sockeye.act.zoom(0.7, 900); {frame}"));
        let nodes = browser.evaluate(nodes).as_u64().unwrap();
        assert!(nodes < 4_000, "{nodes} elements");
    }
    browser.evaluate(
        "(() => { const time = sockeye.events.time[sockeye.about.flows[0].last >> 1];
         sockeye.picture.stage.scrollTop = 0; sockeye.act.lookAtTimes(time, time + 1e6); })()",
    );
    until(
        &mut browser,
        "document.querySelectorAll('.mark').length > 3 && document.querySelectorAll('.ribbon').length > 2",
    );
    let slowest = browser
        .evaluate("Math.max(...sockeye.act.frames)")
        .as_f64()
        .unwrap();
    assert!(slowest < 2_000.0, "a frame took {slowest} ms");
    page.quiet(&browser);
}
