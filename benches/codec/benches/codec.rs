//! `cargo bench --manifest-path benches/Cargo.toml -p codec`

use bytes::{Bytes, BytesMut};
use codec::{batch, decode_lengths, decode_lines, decode_ours};
use codec::{encode_lengths, encode_lines, encode_ours, message, wire};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye_frame::Framing;

const SIZES: [usize; 3] = [16, 1 << 10, 64 << 10];

fn framing(text: &str) -> Framing {
    text.parse()
        .expect("the benchmark names framings that exist")
}

fn decode(c: &mut Criterion) {
    let rivals: [(&str, &str, fn(&mut BytesMut) -> usize); 2] = [
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

criterion_group!(codecs, decode, encode);
criterion_main!(codecs);
