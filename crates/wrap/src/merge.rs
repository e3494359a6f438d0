//! Puts AIRs side by side into tables.
//!
//! `OpenVM` accepts any height for most AIRs, as their own constraints mark the rows in use; those
//! are made with the height of the table that they go to. An AIR whose constraints fix its height
//! keeps it: [`pinned`] adds columns that mark its rows and hold its constraints to them.

pub mod pinned;

use crate::circuit::{Air, Circuit, Interaction, Node, Parameters, PublicValues, Table};

/// Random numbers in a mask: as many as the extension has coordinates.
pub const MASK_VALUES: u32 = 5;

/// First of the buses that masks go over; `OpenVM`'s end at 2^16.
const FIRST_MASK_BUS: u32 = 1 << 17;

/// How high an AIR's trace is, and which table it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Rows, as a power of two, that its trace is made with.
    pub log_height: u32,
    /// Rows of its table, as a power of two. If more than its own, the height is pinned.
    pub log_table: u32,
}

impl Place {
    /// Whether the AIR keeps a height of its own in a higher table.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.log_height < self.log_table
    }
}

/// The circuit of AIRs at their places, one table for each height, the highest last.
#[must_use]
pub fn merge(
    airs: Vec<Air>,
    places: &[Place],
    parameters: Parameters,
    message_lengths: Vec<u32>,
) -> Circuit {
    let mut heights: Vec<u32> = places.iter().map(|place| place.log_table).collect();
    heights.sort_unstable();
    heights.dedup();
    let mut tables: Vec<Table> = heights
        .into_iter()
        .map(|log_height| Table {
            log_height,
            airs: Vec::new(),
        })
        .collect();
    for (air, place) in airs.into_iter().zip(places) {
        let air = if place.is_pinned() {
            pinned::pin(air, 1 << place.log_height)
        } else {
            air
        };
        let table = tables
            .iter_mut()
            .find(|table| table.log_height == place.log_table);
        if let Some(table) = table {
            table.airs.push(air);
        }
    }
    add_masks(&mut tables);
    Circuit {
        parameters,
        message_lengths,
        tables,
    }
}

/// Gives neighbouring tables a mask: five random numbers that one sends and the other receives,
/// once. What a table's buses add up to is sent in the clear; with the mask it is random.
fn add_masks(tables: &mut [Table]) {
    let last = tables.len().saturating_sub(1);
    for ((index, table), bus) in tables.iter_mut().enumerate().zip(FIRST_MASK_BUS..) {
        if index > 0 {
            table.airs.push(mask(bus - 1, true));
        }
        if index < last {
            table.airs.push(mask(bus, false));
        }
    }
}

/// One side of a mask: a column that says in which row, and the numbers.
fn mask(bus: u32, receives: bool) -> Air {
    let mut nodes: Vec<Node> = (0..=MASK_VALUES).map(Node::Local).collect();
    let count = if receives {
        nodes.push(Node::Neg(0));
        MASK_VALUES + 1
    } else {
        0
    };
    Air {
        name: "Mask".to_owned(),
        width: MASK_VALUES + 1,
        public_values: PublicValues::None,
        nodes,
        constraints: Vec::new(),
        interactions: vec![Interaction {
            bus,
            count,
            weight: 1,
            fields: (1..=MASK_VALUES).collect(),
        }],
    }
}
