//! Both ends of a connection on one line, and the listener above them.

use std::collections::HashSet;

use sockeye_observe::sockets::Socket;

use super::cells;
use super::grid::{Align, Grid};
use super::order::is_server;
use super::snapshot::Snapshot;
use super::text;
use crate::catalogue::Lang;

/// Cells of one end: address, state, queue, program.
const END: [Align; 4] = [Align::Left, Align::Left, Align::Right, Align::Left];

/// Writes a line for each listener and for each connection, the server's end first. What has its
/// other end elsewhere stands alone on its line.
pub(super) fn write(from: &Snapshot, lang: Lang, width: Option<usize>, out: &mut String) {
    let mut aligns = vec![Align::Left];
    aligns.extend(END);
    aligns.extend(END);
    let mut grid = Grid::new(aligns, from.shown.len());
    let heads = [
        text::KIND,
        text::SERVER,
        text::STATE,
        text::QUEUES,
        text::PROGRAM,
        text::CLIENT,
        text::STATE,
        text::QUEUES,
        text::PROGRAM,
    ];
    for head in heads {
        grid.cell(|text| text.push_str(head.get(lang)));
    }
    let listeners = from.sockets.iter().filter(|socket| socket.is_listener());
    let ports: HashSet<u16> = listeners.filter_map(|it| it.local.port()).collect();
    for index in &from.shown {
        row(from, *index, &ports, &mut grid);
    }
    let columns: Vec<usize> = (0..heads.len()).collect();
    let mut widths = grid.widths();
    if let Some(room) = width {
        narrow(&mut widths, &columns, room);
    }
    grid.render(&columns, &widths, out);
}

fn row(from: &Snapshot, index: u32, ports: &HashSet<u16>, grid: &mut Grid) {
    let socket = &from.sockets[index as usize];
    let peer = from.peer(index);
    let is_second = |peer: &Socket| !is_server(socket, peer, |port| ports.contains(&port));
    match peer {
        // Its line is the server's.
        Some(peer) if is_second(peer) => {}
        Some(peer) => {
            grid.cell(|text| text.push_str(cells::kind(socket)));
            end(from, socket, grid);
            end(from, peer, grid);
        }
        None => {
            grid.cell(|text| text.push_str(cells::kind(socket)));
            end(from, socket, grid);
            grid.cell(|text| cells::remote(socket, None, text));
            for _ in 1..END.len() {
                grid.cell(|_| ());
            }
        }
    }
}

fn end(from: &Snapshot, socket: &Socket, grid: &mut Grid) {
    grid.cell(|text| cells::local(socket, text));
    grid.cell(|text| text.push_str(socket.state_name()));
    grid.cell(|text| {
        cells::number(socket.recv_queue.into(), text);
        text.push('/');
        cells::number(socket.send_queue.into(), text);
    });
    grid.cell(|text| cells::program(socket, from, text));
}

/// Addresses and programs give way.
fn narrow(widths: &mut [usize], columns: &[usize], room: usize) {
    const LEAST: usize = 10;
    while Grid::total(widths, columns) > room {
        let widest = [1, 4, 5, 8].into_iter().max_by_key(|at| widths[*at]);
        let Some(at) = widest.filter(|at| widths[*at] > LEAST) else {
            return;
        };
        widths[at] -= 1;
    }
}
