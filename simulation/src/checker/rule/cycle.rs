//! No cycle of what was seen, in processes and in time.
//!
//! Edges lead from what came first: from the writer of a value to who read it (of each reader only
//! its highest value of a key), from the writer of one version to the writer of the next, from one
//! operation of a process to its next, and from an acknowledged operation to all that began after its
//! end. The last kind would be quadratic: a chain of points in time stands between ends and begins.

use std::collections::BTreeMap;

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::Isolation;
use crate::checker::index::Index;
use crate::checker::operation::Outcome;

/// Operations first, then points in time.
type Graph = Vec<Vec<usize>>;

/// Adds the edges of one kind.
type Edges = fn(&Index<'_>, &mut Graph);

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let levels: [(Class, &[Edges]); 5] = [
        (Class::G0, &[writes]),
        (Class::G1c, &[reads]),
        (Class::G1cProcess, &[reads, processes]),
        (Class::G1cRealtime, &[reads, processes, realtime]),
        (Class::G1cWrites, &[reads, writes]),
    ];
    let (mut is_interleaved, mut is_found) = (false, false);
    for (class, edges) in levels {
        // A cycle is one of all levels that have its edges as well.
        if is_found || (is_interleaved && class == Class::G1cWrites) {
            break;
        }
        let count = index.operations.len();
        let mut graph = vec![Vec::new(); count];
        for add in edges {
            add(index, &mut graph);
        }
        for component in components(&graph) {
            let members: Vec<usize> = component.into_iter().filter(|at| *at < count).collect();
            if members.len() > 1 {
                is_interleaved |= class == Class::G0;
                is_found |= class != Class::G0;
                found.push(anomaly(index, class, &members));
            }
        }
    }
}

fn anomaly(index: &Index<'_>, class: Class, members: &[usize]) -> Anomaly {
    let shown: Vec<String> = members
        .iter()
        .take(5)
        .map(|at| index.operations[*at].name())
        .collect();
    Anomaly {
        class,
        key: String::new(),
        text: format!("{} operations: {}", members.len(), shown.join(", ")),
    }
}

fn writes(index: &Index<'_>, graph: &mut Graph) {
    for partition in &index.partitions {
        let mut last: Option<usize> = None;
        for values in partition.offsets.values() {
            let Some(value) = values.first().and_then(|value| partition.values.get(value)) else {
                continue;
            };
            if let (Some(from), Some(to)) = (last, value.writer)
                && from != to
            {
                graph[from].push(to);
            }
            last = value.writer.or(last);
        }
    }
}

fn reads(index: &Index<'_>, graph: &mut Graph) {
    let mut highest = BTreeMap::<(usize, usize), (i64, u64)>::new();
    for read in &index.reads {
        let row = (read.offset, read.value);
        let last = highest.entry((read.reader, read.partition)).or_insert(row);
        *last = (*last).max(row);
    }
    for ((reader, partition), (_, value)) in highest {
        let Some(writer) = index.partitions[partition]
            .values
            .get(&value)
            .and_then(|value| value.writer)
        else {
            continue;
        };
        let operation = &index.operations[reader];
        // Open transactions are seen by who reads everything.
        let is_blind =
            operation.isolation == Isolation::ReadUncommitted && index.operations[writer].is_txn();
        if writer != reader && !is_blind && operation.outcome != Outcome::Fail {
            graph[writer].push(reader);
        }
    }
}

fn processes(index: &Index<'_>, graph: &mut Graph) {
    let mut last = BTreeMap::<u64, usize>::new();
    for (at, operation) in index.operations.iter().enumerate() {
        if operation.outcome == Outcome::Fail {
            continue;
        }
        if let Some(from) = last.insert(operation.process, at) {
            graph[from].push(at);
        }
    }
}

fn realtime(index: &Index<'_>, graph: &mut Graph) {
    let mut ends: Vec<(u64, usize)> = index
        .operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.outcome == Outcome::Ok)
        .map(|(at, operation)| (operation.end, at))
        .collect();
    ends.sort_unstable();
    let count = index.operations.len();
    let mut ended = 0;
    // Operations stand in the order of their begin.
    for (at, operation) in index.operations.iter().enumerate() {
        while let Some((end, from)) = ends.get(ended)
            && *end < operation.begin
        {
            let point = graph.len();
            graph.push(Vec::new());
            graph[*from].push(point);
            if ended > 0 {
                graph[point - 1].push(point);
            }
            ended += 1;
        }
        if ended > 0 {
            graph[count + ended - 1].push(at);
        }
    }
}

/// What Tarjan's algorithm knows of a node.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Order of discovery, from 1; 0 before.
    order: usize,
    low: usize,
    is_open: bool,
}

/// Strongly connected components of more than one node (Tarjan), without recursion.
fn components(graph: &Graph) -> Vec<Vec<usize>> {
    let mut search = Search {
        graph,
        marks: vec![Mark::default(); graph.len()],
        open: Vec::new(),
        path: Vec::new(),
        count: 0,
        found: Vec::new(),
    };
    for start in 0..graph.len() {
        if search.marks[start].order == 0 {
            search.run(start);
        }
    }
    search.found
}

#[derive(Debug)]
struct Search<'a> {
    graph: &'a Graph,
    marks: Vec<Mark>,
    /// Nodes whose component is not complete.
    open: Vec<usize>,
    /// The way to the current node: nodes with their next edge.
    path: Vec<(usize, usize)>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn run(&mut self, start: usize) {
        self.enter(start);
        while let Some(&mut (node, ref mut edge)) = self.path.last_mut() {
            let next = self.graph[node].get(*edge).copied();
            *edge += 1;
            match next {
                Some(next) if self.marks[next].order == 0 => self.enter(next),
                Some(next) if self.marks[next].is_open => {
                    let order = self.marks[next].order;
                    self.marks[node].low = self.marks[node].low.min(order);
                }
                Some(_) => {}
                None => self.leave(node),
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.count += 1;
        self.marks[node] = Mark {
            order: self.count,
            low: self.count,
            is_open: true,
        };
        self.open.push(node);
        self.path.push((node, 0));
    }

    fn leave(&mut self, node: usize) {
        self.path.pop();
        let Mark { order, low, .. } = self.marks[node];
        if let Some((parent, _)) = self.path.last() {
            let parent = &mut self.marks[*parent];
            parent.low = parent.low.min(low);
        }
        if low != order {
            return;
        }
        let start = self.open.iter().rposition(|open| *open == node);
        let component = self.open.split_off(start.unwrap_or(self.open.len()));
        for member in &component {
            self.marks[*member].is_open = false;
        }
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}
