//! A forger. Something is dropped from a circuit: a constraint, or messages. The forger starts from
//! true traces, breaks what was dropped, and mends cell by cell whatever else breaks. What it finds
//! the whole circuit refuses and the reduced one accepts; nothing that it claims is taken on trust.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use cloister_wrap::{
    check::{AirRow, Position, check, positions},
    circuit::{Circuit, Interaction, Node, NodeIndex},
    config::Val,
    trace::TableTrace,
};
use p3_field::{Field, PrimeCharacteristicRing, PrimeField32};
use p3_matrix::Matrix;

/// An AIR: its table and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    pub(crate) table: usize,
    pub(crate) air: usize,
}

/// A cell, with its column counted within its AIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) seat: Seat,
    pub(crate) row: usize,
    pub(crate) column: u32,
}

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A constraint, by its place in its AIR.
    Constraint(Seat, usize),
    /// A message, by its place in its AIR.
    Message(Seat, usize),
    /// All messages of a bus.
    Bus(u32),
}

impl Part {
    /// The circuit without it.
    pub(crate) fn dropped_from(self, circuit: &Circuit) -> Circuit {
        let mut reduced = circuit.clone();
        match self {
            Self::Constraint(seat, place) => {
                let air = &mut reduced.tables[seat.table].airs[seat.air];
                air.constraints.remove(place);
            }
            Self::Message(seat, place) => {
                let air = &mut reduced.tables[seat.table].airs[seat.air];
                air.interactions.remove(place);
            }
            Self::Bus(bus) => {
                for table in &mut reduced.tables {
                    for air in &mut table.airs {
                        air.interactions.retain(|message| message.bus != bus);
                    }
                }
            }
        }
        reduced
    }
}

/// How hard the forger tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Changes that it starts from.
    pub(crate) starts: usize,
    /// Ways in which it goes on from each.
    pub(crate) ways: usize,
    /// Steps on each way.
    pub(crate) mends: usize,
}

/// Rows that are looked through for one that says nothing.
const SILENT_ROWS: usize = 1 << 10;

/// Cells and what stands in them now.
pub(crate) type Changes = BTreeMap<Cell, Val>;

/// A broken constraint: AIR, row, place.
type Fault = (Seat, usize, usize);

/// Rows by what they say: bus and content, hashed, to AIR, the message's place, and row.
type Index = HashMap<u64, Vec<(Seat, usize, usize)>>;

/// True traces with changes, and what they break of a circuit.
pub(crate) struct Forger<'a> {
    circuit: &'a Circuit,
    at: Vec<Vec<Position>>,
    tables: Vec<TableTrace>,
    /// What the true traces say.
    index: Index,
    dropped: Option<Part>,
    /// Constraints that do not hold.
    faults: BTreeSet<Fault>,
    /// Messages that do not cancel out: bus, content, count.
    open: BTreeMap<(u32, Vec<u32>), Val>,
    /// Cells that were changed, with what stood there.
    before: BTreeMap<Cell, Val>,
}

impl<'a> Forger<'a> {
    /// A forger with true traces.
    pub(crate) fn new(circuit: &'a Circuit, tables: &[TableTrace]) -> Self {
        let mut forger = Self {
            circuit,
            at: circuit.tables.iter().map(positions).collect(),
            tables: tables.to_vec(),
            index: Index::new(),
            dropped: None,
            faults: BTreeSet::new(),
            open: BTreeMap::new(),
            before: BTreeMap::new(),
        };
        for seat in seats(circuit) {
            let air = &circuit.tables[seat.table].airs[seat.air];
            for number in 0..tables[seat.table].matrix.height() {
                let row = forger.row(seat, number);
                for (place, message) in air.interactions.iter().enumerate() {
                    if row.value(message.count) != Val::ZERO {
                        let key = hashed(message.bus, &content(message, &row));
                        let known = forger.index.entry(key).or_default();
                        known.push((seat, place, number));
                    }
                }
            }
        }
        forger
    }

    /// Looks for changes that are refused only because of this part.
    pub(crate) fn forge(&mut self, part: Part, patience: Patience) -> Option<Changes> {
        let starts = self.starts(part);
        for way in 0..patience.ways {
            for start in starts.iter().take(patience.starts) {
                self.begin(part);
                for (cell, value) in start {
                    self.set(*cell, *value);
                }
                let mended = self.mend(way, patience.mends) && self.breaks(part);
                let changes = self.changes();
                self.end();
                if mended {
                    return Some(changes);
                }
            }
        }
        None
    }

    /// Whether the traces with these changes are refused by the circuit and accepted without the
    /// part, by the checker that knows nothing of forgers.
    pub(crate) fn holds(&self, part: Part, changes: &Changes) -> bool {
        let tables = self.forged(changes);
        let reduced = part.dropped_from(self.circuit);
        !check(self.circuit, &tables).faults.is_empty()
            && check(&reduced, &tables).faults.is_empty()
    }

    /// The traces with these changes.
    pub(crate) fn forged(&self, changes: &Changes) -> Vec<TableTrace> {
        let mut tables = self.tables.clone();
        for (cell, value) in changes {
            let index = self.index(*cell);
            tables[cell.seat.table].matrix.values[index] = *value;
        }
        tables
    }

    /// All parts but buses, in the circuit's order.
    pub(crate) fn parts(circuit: &Circuit) -> Vec<Part> {
        let mut parts = Vec::new();
        for seat in seats(circuit) {
            let air = &circuit.tables[seat.table].airs[seat.air];
            parts.extend((0..air.constraints.len()).map(|place| Part::Constraint(seat, place)));
            parts.extend((0..air.interactions.len()).map(|place| Part::Message(seat, place)));
        }
        parts
    }

    fn begin(&mut self, part: Part) {
        self.dropped = Some(part);
        let circuit = self.circuit;
        // Dropped messages are missing: their bus is open by as much.
        if let Part::Message(seat, place) = part {
            let message = &circuit.tables[seat.table].airs[seat.air].interactions[place];
            for row in 0..self.tables[seat.table].matrix.height() {
                let row = self.row(seat, row);
                let count = row.value(message.count);
                self.add(message, &row, -count);
            }
        }
    }

    /// Puts everything back.
    fn end(&mut self) {
        for (cell, value) in std::mem::take(&mut self.before) {
            let index = self.index(cell);
            self.tables[cell.seat.table].matrix.values[index] = value;
        }
        self.faults.clear();
        self.open.clear();
        self.dropped = None;
    }

    fn changes(&self) -> Changes {
        let cells = self.before.keys();
        cells.map(|cell| (*cell, self.get(*cell))).collect()
    }

    fn index(&self, cell: Cell) -> usize {
        let width = self.tables[cell.seat.table].matrix.width;
        let at = self.at[cell.seat.table][cell.seat.air];
        cell.row * width + at.column + cell.column as usize
    }

    fn get(&self, cell: Cell) -> Val {
        self.tables[cell.seat.table].matrix.values[self.index(cell)]
    }

    fn set(&mut self, cell: Cell, value: Val) {
        let height = self.tables[cell.seat.table].matrix.height();
        let rows = BTreeSet::from([cell.row, (cell.row + height - 1) % height]);
        let index = self.index(cell);
        for row in &rows {
            self.account(cell.seat, *row, false);
        }
        let slot = &mut self.tables[cell.seat.table].matrix.values[index];
        self.before.entry(cell).or_insert(*slot);
        *slot = value;
        for row in &rows {
            self.account(cell.seat, *row, true);
        }
    }

    /// A row, computed.
    fn row(&self, seat: Seat, number: usize) -> AirRow<'a> {
        let mut row = AirRow::new(&self.circuit.tables[seat.table].airs[seat.air]);
        let at = self.at[seat.table][seat.air];
        row.compute(&self.tables[seat.table], at, number);
        row
    }

    /// Counts what a row breaks and says, or no longer counts it.
    fn account(&mut self, seat: Seat, number: usize, counts: bool) {
        let row = self.row(seat, number);
        for (place, value) in row.constraints().enumerate() {
            if value == Val::ZERO || self.dropped == Some(Part::Constraint(seat, place)) {
                continue;
            }
            if counts {
                self.faults.insert((seat, number, place));
            } else {
                self.faults.remove(&(seat, number, place));
            }
        }
        let circuit = self.circuit;
        let air = &circuit.tables[seat.table].airs[seat.air];
        for (place, message) in air.interactions.iter().enumerate() {
            if self.is_dropped(seat, place, message) {
                continue;
            }
            let count = row.value(message.count);
            self.add(message, &row, if counts { count } else { -count });
        }
    }

    fn is_dropped(&self, seat: Seat, place: usize, message: &Interaction) -> bool {
        self.dropped == Some(Part::Message(seat, place))
            || self.dropped == Some(Part::Bus(message.bus))
    }

    /// Adds a row's message to what is open.
    fn add(&mut self, message: &Interaction, row: &AirRow<'_>, count: Val) {
        if count == Val::ZERO {
            return;
        }
        let key = (message.bus, content(message, row));
        let open = self.open.entry(key.clone()).or_default();
        *open += count;
        if *open == Val::ZERO {
            self.open.remove(&key);
        }
    }

    /// How much is broken. A message that is another one than it should be counts twice, like a
    /// constraint: once for what is missing, once for what is there.
    fn broken(&self) -> usize {
        2 * self.faults.len() + self.open.len()
    }

    /// Whether the changes break what was dropped.
    fn breaks(&mut self, part: Part) -> bool {
        let Part::Constraint(seat, place) = part else {
            return self.is_missed(part);
        };
        let mut rows = self.touched(seat).into_iter();
        rows.any(|row| self.row(seat, row).constraints().nth(place) != Some(Val::ZERO))
    }

    /// Rows of an AIR that see changed cells.
    fn touched(&self, seat: Seat) -> BTreeSet<usize> {
        let height = self.tables[seat.table].matrix.height();
        let cells = self.before.keys().filter(|cell| cell.seat == seat);
        cells
            .flat_map(|cell| [cell.row, (cell.row + height - 1) % height])
            .collect()
    }

    /// Whether messages do not cancel out with those that were dropped, as they do without.
    fn is_missed(&mut self, part: Part) -> bool {
        self.dropped = None;
        let mut dropped = Vec::new();
        for seat in seats(self.circuit) {
            let air = &self.circuit.tables[seat.table].airs[seat.air];
            let messages = air.interactions.iter().enumerate();
            dropped.extend(
                messages
                    .filter(|(place, message)| {
                        part == Part::Message(seat, *place) || part == Part::Bus(message.bus)
                    })
                    .map(|(_, message)| (seat, message)),
            );
        }
        for (seat, message) in dropped {
            for row in 0..self.tables[seat.table].matrix.height() {
                let row = self.row(seat, row);
                self.add(message, &row, row.value(message.count));
            }
        }
        !self.open.is_empty()
    }

    /// What to change first: one cell that the part reads, or a whole column of a low table.
    fn starts(&self, part: Part) -> Vec<Vec<(Cell, Val)>> {
        let seats_and_nodes: Vec<(Seat, Vec<NodeIndex>)> = match part {
            Part::Message(..) => return vec![Vec::new()],
            Part::Constraint(seat, place) => {
                let air = &self.circuit.tables[seat.table].airs[seat.air];
                vec![(seat, vec![air.constraints[place]])]
            }
            Part::Bus(bus) => seats(self.circuit)
                .filter_map(|seat| {
                    let air = &self.circuit.tables[seat.table].airs[seat.air];
                    let of = air.interactions.iter().filter(|message| message.bus == bus);
                    let nodes: Vec<NodeIndex> = of
                        .flat_map(|message| message.fields.iter().chain([&message.count]).copied())
                        .collect();
                    (!nodes.is_empty()).then_some((seat, nodes))
                })
                .collect(),
        };
        let mut starts = Vec::new();
        let mut columns = Vec::new();
        for (seat, nodes) in seats_and_nodes {
            let height = self.tables[seat.table].matrix.height();
            for row in rows(height) {
                for cell in self.read(seat, row, &nodes) {
                    let value = self.get(cell);
                    let values = [value + Val::ONE, Val::ZERO, Val::NEG_ONE];
                    let new = values.into_iter().filter(|new| *new != value);
                    starts.extend(new.map(|new| vec![(cell, new)]));
                }
            }
            if height <= 512 {
                let first = self.read(seat, 0, &nodes).into_iter();
                for (cell, step) in first.flat_map(|cell| [(cell, Val::ONE), (cell, Val::NEG_ONE)])
                {
                    let cells = (0..height).map(|row| Cell { row, ..cell });
                    columns.push(cells.map(|cell| (cell, self.get(cell) + step)).collect());
                }
            }
        }
        starts.extend(columns);
        starts
    }

    /// The cells that nodes read in a row.
    fn read(&self, seat: Seat, row: usize, nodes: &[NodeIndex]) -> BTreeSet<Cell> {
        let height = self.tables[seat.table].matrix.height();
        let air = &self.circuit.tables[seat.table].airs[seat.air];
        let mut seen = BTreeSet::new();
        let mut cells = BTreeSet::new();
        let mut left = nodes.to_vec();
        while let Some(node) = left.pop() {
            if !seen.insert(node) {
                continue;
            }
            match air.nodes[node as usize] {
                Node::Local(column) => {
                    cells.insert(Cell { seat, row, column });
                }
                Node::Next(column) => {
                    let row = (row + 1) % height;
                    cells.insert(Cell { seat, row, column });
                }
                Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b) => left.extend([a, b]),
                Node::Neg(a) => left.push(a),
                _ => {}
            }
        }
        cells
    }

    /// Changes cells that were not changed before until nothing is broken; always by what leaves
    /// least broken, and of equals by what changes least. Only the first step takes what comes
    /// `way` places after that.
    fn mend(&mut self, way: usize, mends: usize) -> bool {
        for step in 0..mends {
            let moves = if let Some(fault) = self.faults.first().copied() {
                self.mend_constraint(fault)
            } else if let Some((key, count)) = self.open.first_key_value() {
                self.mend_message(&key.clone(), *count)
            } else {
                return true;
            };
            let mut moves: Vec<_> = moves
                .into_iter()
                .map(|change| (self.try_out(&change), change))
                .collect();
            moves.sort_by_key(|(broken, change)| (*broken, change.len()));
            let rank = if step == 0 { way } else { 0 };
            let Some((_, change)) = moves.into_iter().nth(rank) else {
                return false;
            };
            for (cell, value) in change {
                self.set(cell, value);
            }
        }
        self.broken() == 0
    }

    /// How much is broken after a change.
    fn try_out(&mut self, change: &[(Cell, Val)]) -> usize {
        let old: Vec<(Cell, Val, bool)> = change
            .iter()
            .map(|(cell, _)| (*cell, self.get(*cell), self.before.contains_key(cell)))
            .collect();
        for (cell, value) in change {
            self.set(*cell, *value);
        }
        let broken = self.broken();
        for (cell, value, known) in old {
            self.set(cell, value);
            if !known {
                self.before.remove(&cell);
            }
        }
        broken
    }

    /// Cells that could make a constraint hold.
    fn mend_constraint(&mut self, (seat, row, place): Fault) -> Vec<Vec<(Cell, Val)>> {
        let node = self.circuit.tables[seat.table].airs[seat.air].constraints[place];
        let cells = self.read(seat, row, &[node]);
        let mut moves = Vec::new();
        for cell in &cells {
            for value in self.solve(seat, row, node, *cell, Val::ZERO) {
                moves.push(vec![(*cell, value)]);
            }
        }
        // A flag taken from one cell and given to another.
        let new = |cell: &&Cell| !self.before.contains_key(*cell);
        for from in cells.iter().filter(new) {
            for to in cells.iter().filter(new) {
                if self.get(*from) == Val::ONE && self.get(*to) == Val::ZERO {
                    moves.push(vec![(*from, Val::ZERO), (*to, Val::ONE)]);
                }
            }
        }
        moves
    }

    /// Values of a cell that make a node of a row equal to something: as if it were linear, or 0
    /// or 1.
    fn solve(
        &mut self,
        seat: Seat,
        row: usize,
        node: NodeIndex,
        cell: Cell,
        wanted: Val,
    ) -> Vec<Val> {
        if self.before.contains_key(&cell) {
            return Vec::new();
        }
        let (index, kept) = (self.index(cell), self.get(cell));
        let with = |forger: &mut Self, value: Val| {
            forger.tables[seat.table].matrix.values[index] = value;
            forger.row(seat, row).value(node)
        };
        let here = with(self, kept);
        let slope = with(self, kept + Val::ONE) - here;
        let mut values = vec![Val::ZERO, Val::ONE];
        if slope != Val::ZERO {
            values.insert(0, kept + (wanted - here) * slope.inverse());
        }
        values.retain(|value| *value != kept && with(self, *value) == wanted);
        self.tables[seat.table].matrix.values[index] = kept;
        values.dedup();
        values
    }

    /// Changes of the messages of a bus that could cancel out what is open.
    fn mend_message(
        &mut self,
        (bus, wanted): &(u32, Vec<u32>),
        count: Val,
    ) -> Vec<Vec<(Cell, Val)>> {
        let circuit = self.circuit;
        let others: Vec<Vec<u32>> = self
            .open
            .iter()
            .filter(|((other, content), open)| {
                other == bus && content != wanted && **open == -count
            })
            .map(|((_, content), _)| content.clone())
            .collect();
        let mut moves = Vec::new();
        for seat in seats(circuit) {
            let air = &circuit.tables[seat.table].airs[seat.air];
            for (place, message) in air.interactions.iter().enumerate() {
                if message.bus != *bus
                    || message.fields.len() != wanted.len()
                    || self.is_dropped(seat, place, message)
                {
                    continue;
                }
                let rows = self.rows_that_say(seat, place, *bus, wanted);
                self.say_otherwise(seat, message, (wanted, count), (&rows, &others), &mut moves);
                self.speak_up(seat, message, wanted, count, &mut moves);
            }
        }
        moves
    }

    /// Rows that say something, and some that do no longer.
    fn rows_that_say(&self, seat: Seat, place: usize, bus: u32, wanted: &[u32]) -> BTreeSet<usize> {
        let known = self.index.get(&hashed(bus, wanted)).into_iter().flatten();
        let known = known.filter(|(of, at, _)| (*of, *at) == (seat, place));
        let mut rows = self.touched(seat);
        rows.extend(known.map(|(_, _, row)| *row));
        rows
    }

    /// Rows that say what is open could say it another number of times, or not at all, or say what
    /// else is open instead.
    fn say_otherwise(
        &mut self,
        seat: Seat,
        message: &Interaction,
        (wanted, count): (&[u32], Val),
        (rows, others): (&BTreeSet<usize>, &[Vec<u32>]),
        moves: &mut Vec<Vec<(Cell, Val)>>,
    ) {
        for number in rows {
            let row = self.row(seat, *number);
            let now = row.value(message.count);
            if now == Val::ZERO || content(message, &row) != wanted {
                continue;
            }
            for cell in self.read(seat, *number, &[message.count]) {
                for value in [now - count, Val::ZERO] {
                    let values = self.solve(seat, *number, message.count, cell, value);
                    moves.extend(values.into_iter().map(|value| vec![(cell, value)]));
                }
            }
            for other in others.iter().take(4) {
                moves.extend(self.say(seat, *number, message, other));
            }
        }
    }

    /// Rows that say nothing, from the last, could say what is open: as often, or once.
    fn speak_up(
        &mut self,
        seat: Seat,
        message: &Interaction,
        wanted: &[u32],
        count: Val,
        moves: &mut Vec<Vec<(Cell, Val)>>,
    ) {
        let positive = count.as_canonical_u32() < Val::ORDER_U32 / 2;
        let once = if positive { Val::NEG_ONE } else { Val::ONE };
        let height = self.tables[seat.table].matrix.height();
        let mut found = 0;
        for number in (0..height).rev().take(SILENT_ROWS) {
            if found == 2 {
                return;
            }
            if self.row(seat, number).value(message.count) != Val::ZERO {
                continue;
            }
            let Some(said) = self.say(seat, number, message, wanted) else {
                continue;
            };
            let before = moves.len();
            for cell in self.read(seat, number, &[message.count]) {
                for count in [-count, once] {
                    for value in self.solve(seat, number, message.count, cell, count) {
                        moves.push(said.iter().copied().chain([(cell, value)]).collect());
                    }
                }
            }
            found += usize::from(moves.len() > before);
        }
    }

    /// The change that makes a row's message say something, if its fields are columns.
    fn say(
        &self,
        seat: Seat,
        row: usize,
        message: &Interaction,
        wanted: &[u32],
    ) -> Option<Vec<(Cell, Val)>> {
        let nodes = &self.circuit.tables[seat.table].airs[seat.air].nodes;
        let computed = self.row(seat, row);
        let mut change = Vec::new();
        for (field, value) in message.fields.iter().zip(wanted) {
            let value = Val::from_u32(*value);
            if computed.value(*field) == value {
                continue;
            }
            let Node::Local(column) = nodes[*field as usize] else {
                return None;
            };
            let cell = Cell { seat, row, column };
            if self.before.contains_key(&cell) {
                return None;
            }
            change.push((cell, value));
        }
        Some(change)
    }
}

/// All AIRs of a circuit.
pub(crate) fn seats(circuit: &Circuit) -> impl Iterator<Item = Seat> {
    let tables = circuit.tables.iter().enumerate();
    tables.flat_map(|(table, of)| (0..of.airs.len()).map(move |air| Seat { table, air }))
}

/// A bus and what is said on it, as the index knows it.
fn hashed(bus: u32, content: &[u32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (bus, content).hash(&mut hasher);
    hasher.finish()
}

/// What a row's message says.
fn content(message: &Interaction, row: &AirRow<'_>) -> Vec<u32> {
    let fields = row.fields(message);
    fields.iter().map(PrimeField32::as_canonical_u32).collect()
}

/// Rows to start from: the ends of the table, around powers of two, some between.
fn rows(height: usize) -> Vec<usize> {
    let powers = (0..height.ilog2()).map(|log| 1 << log);
    let around = powers.flat_map(|power: usize| [power - 1, power]);
    let ends = [0, 3, 5, height / 3, height - 2, height - 1];
    let rows: BTreeSet<usize> = around.chain(ends).collect();
    rows.into_iter().collect()
}
