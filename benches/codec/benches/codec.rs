//! `cargo bench --manifest-path benches/Cargo.toml -p codec`

use bytes::{Bytes, BytesMut};
use codec::{
    batch, decode_lengths, decode_lines, decode_ours, echo_lengths, echo_lines, echo_ours,
};
use codec::{encode_lengths, encode_lines, encode_ours, message, wire};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye_frame::Framing;

const SIZES: [usize; 3] = [16, 1 << 10, 64 << 10];

/// What the other codec does with the bytes of a batch.
type Decode = fn(&mut BytesMut) -> usize;
type Echo = fn(&mut BytesMut, &mut BytesMut);

fn framing(text: &str) -> Framing {
    text.parse()
        .expect("the benchmark names framings that exist")
}

fn decode(c: &mut Criterion) {
    let rivals: [(&str, &str, Decode); 2] = [
        ("u32be", "LengthDelimitedCodec", decode_lengths),
        ("line", "LinesCodec", decode_lines),
    ];
    for (name, rival, decode_theirs) in rivals {
        let (framing, mut group) = (framing(name), c.benchmark_group(format!("decode/{name}")));
        for size in SIZES {
            let wire = wire(&framing, &message(size));
            group.throughput(Throughput::Elements(batch(size) as u64));
            group.bench_function(BenchmarkId::new("sockeye", size), |b| {
                b.iter(|| decode_ours(&framing, &wire));
            });
            group.bench_function(BenchmarkId::new(rival, size), |b| {
                // The copy that gives the codec a buffer of its own is not measured.
                b.iter_batched_ref(
                    || BytesMut::from(&wire[..]),
                    decode_theirs,
                    BatchSize::NumIterations(16),
                );
            });
        }
        group.finish();
    }
}

fn encode(c: &mut Criterion) {
    for (name, rival) in [("u32be", "LengthDelimitedCodec"), ("line", "LinesCodec")] {
        let (framing, mut group) = (framing(name), c.benchmark_group(format!("encode/{name}")));
        for size in SIZES {
            let message = message(size);
            group.throughput(Throughput::Elements(batch(size) as u64));
            group.bench_function(BenchmarkId::new("sockeye", size), |b| {
                let mut out = vec![];
                b.iter(|| encode_ours(&framing, &message, &mut out));
            });
            group.bench_function(BenchmarkId::new(rival, size), |b| {
                let mut out = BytesMut::new();
                if name == "line" {
                    let text = std::str::from_utf8(&message).expect("the message is ASCII");
                    b.iter(|| encode_lines(text, &mut out));
                } else {
                    let message = Bytes::copy_from_slice(&message);
                    b.iter(|| encode_lengths(&message, &mut out));
                }
            });
        }
        group.finish();
    }
}

fn echo(c: &mut Criterion) {
    let rivals: [(&str, &str, Echo); 2] = [
        ("u32be", "LengthDelimitedCodec", echo_lengths),
        ("line", "LinesCodec", echo_lines),
    ];
    for (name, rival, echo_theirs) in rivals {
        let (framing, mut group) = (framing(name), c.benchmark_group(format!("echo/{name}")));
        for size in SIZES {
            let wire = wire(&framing, &message(size));
            group.throughput(Throughput::Elements(batch(size) as u64));
            group.bench_function(BenchmarkId::new("sockeye", size), |b| {
                let mut out = vec![];
                b.iter(|| echo_ours(&framing, &wire, &mut out));
            });
            group.bench_function(BenchmarkId::new(rival, size), |b| {
                let mut out = BytesMut::new();
                b.iter_batched_ref(
                    || BytesMut::from(&wire[..]),
                    |wire| echo_theirs(wire, &mut out),
                    BatchSize::NumIterations(16),
                );
            });
        }
        group.finish();
    }
}

criterion_group!(codecs, decode, encode, echo);
criterion_main!(codecs);
