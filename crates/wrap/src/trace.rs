//! Traces: an AIR's each, put side by side into the circuit's tables.

use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use rand_core::{CryptoRng, RngExt};

use crate::{
    circuit::Circuit,
    config::Val,
    merge::{
        MASK_VALUES, Place,
        pinned::{self, Columns},
    },
};

/// One AIR's trace.
#[derive(Clone, Debug)]
pub struct AirTrace {
    /// Number of columns.
    pub width: usize,
    /// Row after row.
    pub values: Vec<Val>,
    /// Public values.
    pub public_values: Vec<Val>,
}

impl AirTrace {
    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }
}

/// A table's trace and public values.
#[derive(Clone, Debug)]
pub struct TableTrace {
    /// The columns of all its AIRs.
    pub matrix: RowMajorMatrix<Val>,
    /// The public values of all its AIRs.
    pub public_values: Vec<Val>,
}

/// Traces that do not have the circuit's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("trace of AIR {index} is not of the planned shape: {height} rows, {width} columns")]
pub struct BadTrace {
    /// Number of the AIR.
    pub index: usize,
    /// Its rows.
    pub height: usize,
    /// Its columns.
    pub width: usize,
}

/// A mask's numbers.
type Mask = [Val; MASK_VALUES as usize];

/// Puts traces side by side, in the order in which [`crate::merge::merge`] put their AIRs. The
/// masks are zeros until [`mask`] draws them.
///
/// # Errors
/// [`BadTrace`] names the first one of another shape.
pub fn assemble(
    circuit: &Circuit,
    places: &[Place],
    traces: &[AirTrace],
) -> Result<Vec<TableTrace>, BadTrace> {
    let mut tables = Vec::with_capacity(circuit.tables.len());
    for table in &circuit.tables {
        let width = table.width();
        let height = 1_usize << table.log_height;
        let mut matrix = RowMajorMatrix::new(vec![Val::ZERO; width * height], width);
        let mut public_values = Vec::with_capacity(table.public_values());
        let members = places
            .iter()
            .zip(traces)
            .enumerate()
            .filter(|(_, (place, _))| place.log_table == table.log_height);
        let mut column = 0;
        for ((index, (place, trace)), air) in members.zip(&table.airs) {
            let pinned = place.is_pinned();
            let wide = air.width as usize;
            let bad = BadTrace {
                index,
                height: trace.height(),
                width: trace.width,
            };
            let fits = trace.height() == 1 << place.log_height
                && trace.public_values.len() == air.public_values.count()
                && if pinned {
                    trace.width < wide
                } else {
                    trace.width == wide
                };
            if !fits {
                return Err(bad);
            }
            copy(&mut matrix, column, trace);
            if pinned {
                let columns = pinned::added(air, trace.width);
                fill_pinned(&mut matrix, column, trace, &columns);
            }
            public_values.extend_from_slice(&trace.public_values);
            column += wide;
        }
        tables.push(TableTrace {
            matrix,
            public_values,
        });
    }
    fill_masks(circuit, &mut tables, &zeros(circuit));
    Ok(tables)
}

/// Draws fresh masks into tables, in place of those that are there.
pub fn mask(circuit: &Circuit, tables: &mut [TableTrace], random: &mut impl CryptoRng) {
    let mut masks = zeros(circuit);
    for number in masks.iter_mut().flatten() {
        *number = random.random();
    }
    fill_masks(circuit, tables, &masks);
}

/// A mask between each table and the next.
fn zeros(circuit: &Circuit) -> Vec<Mask> {
    (1..circuit.tables.len()).map(|_| Mask::default()).collect()
}

/// Writes the masks where they stand, at the end of each table: what it received from the table
/// before, then what it sends to the next.
fn fill_masks(circuit: &Circuit, tables: &mut [TableTrace], masks: &[Mask]) {
    for (number, (table, trace)) in circuit.tables.iter().zip(tables).enumerate() {
        let received = number.checked_sub(1).and_then(|before| masks.get(before));
        let sent = masks.get(number);
        let wide = MASK_VALUES as usize + 1;
        let count = usize::from(received.is_some()) + usize::from(sent.is_some());
        let mut column = table.width().saturating_sub(count * wide);
        for mask in received.into_iter().chain(sent) {
            fill_mask(&mut trace.matrix, column, mask);
            column += wide;
        }
    }
}

/// Copies a trace to its columns.
fn copy(matrix: &mut RowMajorMatrix<Val>, column: usize, trace: &AirTrace) {
    let width = matrix.width;
    let rows = matrix.values.chunks_exact_mut(width);
    for (row, source) in rows.zip(trace.values.chunks_exact(trace.width)) {
        for (cell, value) in row.iter_mut().skip(column).zip(source) {
            *cell = *value;
        }
    }
}

/// Fills the columns that hold a table to its height.
fn fill_pinned(
    matrix: &mut RowMajorMatrix<Val>,
    column: usize,
    trace: &AirTrace,
    columns: &Columns,
) {
    let height = trace.height();
    let width = matrix.width;
    for (number, row) in matrix.values.chunks_exact_mut(width).enumerate() {
        let Some(row) = row.get_mut(column..) else {
            continue;
        };
        let mut set = |at: u32, value: Val| {
            if let Some(cell) = row.get_mut(at as usize) {
                *cell = value;
            }
        };
        set(columns.marked, Val::from_bool(number < height));
        set(columns.number, Val::from_usize(number));
        for (of, first) in &columns.first {
            let value = trace.values.get(*of as usize).copied().unwrap_or_default();
            set(*first, value);
            if number == height {
                set(*of, value);
            }
        }
    }
}

/// Fills one side of a mask, in the first row.
fn fill_mask(matrix: &mut RowMajorMatrix<Val>, column: usize, mask: &[Val]) {
    let cells = matrix.values.iter_mut().skip(column);
    for (cell, value) in cells.zip([Val::ONE].iter().chain(mask)) {
        *cell = *value;
    }
}
