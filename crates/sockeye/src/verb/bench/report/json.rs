//! The report for programs: JSON Lines. The schema is docs/events.md; change it there first.

use super::{Figures, Ratios, Report};
use crate::journal::Line;
use crate::verb::bench::idle::Idle;
use crate::verb::bench::picture;
use crate::verb::bench::plan::Job;
use crate::verb::bench::round::Round;

/// Ratios are whole numbers too: parts of a million.
const MILLION: f64 = 1e6;

fn line(report: &Report, event: &str) -> Line {
    Line::new(report.recorder.now(), event)
}

fn job(job: Job) -> &'static str {
    match job {
        Job::RoundTrip => "round_trip",
        Job::Reconnect => "connect",
        Job::Up => "up",
        Job::Down => "down",
        Job::FanOut => "fan_out",
        Job::Chat => "chat",
        Job::Idle => "idle",
    }
}

fn side(report: &Report, side: usize, line: &mut Line) {
    line.put(
        "endpoint",
        &report.task.sides[side].dialler.endpoint().to_string(),
    );
    line.put("side", ["a", "b"][side]);
}

/// One round of one server.
pub(super) fn round(report: &Report, of: usize, number: usize) -> String {
    let round = &report.rounds[of][number - 1];
    let (plan, tally) = (&report.task.plan, &round.tally);
    let mut line = line(report, "bench_round");
    side(report, of, &mut line);
    line.number("round", number as u64)
        .put("job", job(plan.job))
        .number("connections", plan.connections as u64)
        .number("size_bytes", plan.size() as u64)
        .number("depth", plan.depth);
    if let Some(chat) = &plan.chat {
        line.number("batch", chat.batch)
            .number("stuck", chat.stuck as u64);
    }
    line.number("span_ns", round.span_ns)
        .number("messages", tally.messages)
        .number("payload_bytes", tally.bytes)
        .number("rate", Figures::of(round, plan.job).rate.round() as u64);
    latency(round, &mut line);
    line.number("lost", tally.lost)
        .number("late", tally.late)
        .number("unanswered", tally.unanswered)
        .number("unsent", tally.unsent)
        .number("no_port", tally.no_port)
        .number("broken", tally.broken)
        .put_some(
            "why_broken",
            tally.why_broken.map(|why| why.to_string()).as_deref(),
        );
    if let Some(usage) = round.usage {
        line.number("server_cpu_ns", usage.cpu_ns)
            .number("server_starved_ns", usage.starved_ns)
            .number("server_rss_bytes", usage.rss_bytes)
            .number("server_fds", usage.fds);
    }
    line.number("client_starved_ns", round.starved_ns);
    line.finish()
}

fn latency(round: &Round, line: &mut Line) {
    let latency = &round.tally.latency;
    if latency.is_empty() {
        return;
    }
    for (name, quantile) in [
        ("p50_ns", 0.5),
        ("p90_ns", 0.9),
        ("p99_ns", 0.99),
        ("p999_ns", 0.999),
    ] {
        line.number(name, latency.value_at_quantile(quantile));
    }
    line.number("max_ns", latency.max());
    let rows: Vec<String> = picture::rows(latency)
        .iter()
        .map(|row| format!("{{\"to_ns\":{},\"messages\":{}}}", row.to_ns, row.count))
        .collect();
    line.raw("histogram", format_args!("[{}]", rows.join(",")));
}

fn ratios(ratios: Ratios, line: &mut Line) {
    let all = [
        ("rate_ratio_ppm", ratios.rate),
        ("server_cpu_ratio_ppm", ratios.cpu),
        ("p50_ratio_ppm", ratios.p50),
    ];
    for (name, ratio) in all {
        if let Some(ratio) = ratio {
            line.number(name, (ratio * MILLION).round() as u64);
        }
    }
}

/// The two servers' ratios in one round.
pub(super) fn pair(report: &Report, number: usize) -> String {
    let mut line = line(report, "bench_pair");
    line.number("round", number as u64);
    ratios(report.pair(number).unwrap_or_default(), &mut line);
    line.finish()
}

/// The medians over all rounds.
pub(super) fn end(report: &Report) -> String {
    let mut line = line(report, "bench");
    line.number("rounds", report.rounds[0].len() as u64);
    if report.compares() {
        line.number("pairs", report.rounds[1].len() as u64);
        ratios(report.median_pair(), &mut line);
    }
    line.finish()
}

/// What idle connections cost.
pub(super) fn idle(report: &Report, idle: &Idle) -> String {
    let mut line = line(report, "bench_idle");
    line.put(
        "endpoint",
        &report.task.sides[0].dialler.endpoint().to_string(),
    )
    .number("connections", idle.connections as u64);
    if let (Some(before), Some(after)) = (idle.before, idle.after) {
        line.number("server_rss_before_bytes", before.rss_bytes)
            .number("server_rss_bytes", after.rss_bytes)
            .number("server_fds", after.fds);
    }
    if let Some(kernel) = idle.kernel_bytes {
        line.raw("kernel_bytes", kernel);
    }
    line.finish()
}
