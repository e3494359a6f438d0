//! Guest instructions per feature, by version of the guest image.

use super::{Feature, Work};

/// Instructions per feature for one version of the guest image.
///
/// A table is replaced by a new revision when measurements differ; images that are in use keep
/// theirs.
#[derive(Clone, Copy, Debug)]
pub struct CostTable {
    /// Version of the guest image, e.g. `v1`.
    pub image: &'static str,
    /// Rises with each correction of the coefficients.
    pub revision: u32,
    coefficients: fn(Feature) -> u64,
}

impl CostTable {
    /// Instructions that one occurrence of a feature takes at most.
    #[must_use]
    pub fn coefficient(&self, feature: Feature) -> u64 {
        (self.coefficients)(feature)
    }

    /// Instructions of the whole; stops at the maximum.
    #[must_use]
    pub fn instructions(&self, work: &Work) -> u64 {
        Feature::ALL.iter().fold(0u64, |sum, feature| {
            let cost = self
                .coefficient(*feature)
                .saturating_mul(work.count(*feature));
            sum.saturating_add(cost)
        })
    }
}

/// All tables, the newest image last.
pub const COST_TABLES: &[CostTable] = &[CostTable {
    image: "v1",
    revision: 1,
    coefficients: v1,
}];

/// The table of an image.
#[must_use]
pub fn cost_table(image: &str) -> Option<&'static CostTable> {
    COST_TABLES.iter().find(|table| table.image == image)
}

/// Image v1: keccak-256, SHA-256 and secp256k1 accelerated, all else in software on RV32IM.
///
/// Derived, not yet measured: from instruction counts of the parts without accelerators (decoding
/// and hashing a transaction 38,800, an ETH transfer 21,400, set-up 297,000, about 60 an opcode),
/// and for the precompiles from their multiplications in the field (8-byte limbs on a 4-byte
/// machine: about 35 instructions for each product of two limbs), doubled.
#[expect(
    clippy::match_same_arms,
    reason = "a table: a line for each feature, in their order"
)]
const fn v1(feature: Feature) -> u64 {
    match feature {
        Feature::Batch => 500_000,
        Feature::Block => 60_000,
        Feature::Transaction => 45_000,
        Feature::Signature => 500_000,
        Feature::EnvelopeWord => 600,
        Feature::Log => 6_000,
        Feature::LogWord => 250,
        Feature::ActivityEntry => 2_500,
        Feature::LeafOpened => 6_000,
        Feature::LeafWritten => 6_000,
        Feature::TreeNode => 900,
        Feature::CodeWord => 700,
        Feature::InitWord => 700,
        Feature::DeployedWord => 700,
        Feature::OpStack => 70,
        Feature::OpSimple => 150,
        Feature::OpMul => 700,
        Feature::OpDiv => 6_000,
        Feature::OpModular => 12_000,
        Feature::OpExp => 1_500,
        Feature::ExpByte => 10_000,
        Feature::OpKeccak => 1_000,
        Feature::KeccakBlock => 600,
        Feature::OpMemory => 250,
        Feature::MemoryWord => 120,
        Feature::OpCopy => 600,
        Feature::CopyWord => 150,
        Feature::OpEnvironment => 150,
        Feature::OpJump => 100,
        Feature::OpState => 4_000,
        Feature::OpStore => 5_000,
        Feature::OpTransient => 2_000,
        Feature::OpCall => 15_000,
        Feature::OpCreate => 40_000,
        Feature::OpEnd => 1_500,
        Feature::Precompile => 3_000,
        Feature::EcRecover => 500_000,
        Feature::Sha256Block => 1_000,
        Feature::RipemdBlock => 8_000,
        Feature::ModexpGas => 1_500,
        Feature::Bn254Add => 1_000_000,
        Feature::Bn254Mul => 12_000_000,
        Feature::Bn254Pairing => 60_000_000,
        Feature::Bn254Pair => 50_000_000,
        Feature::Blake2Round => 2_000,
        Feature::Kzg => 500_000_000,
        Feature::BlsG1Add => 2_500_000,
        Feature::BlsG1Point => 40_000_000,
        Feature::BlsG2Add => 4_000_000,
        Feature::BlsG2Point => 120_000_000,
        Feature::BlsPairing => 150_000_000,
        Feature::BlsPair => 150_000_000,
        Feature::BlsMapG1 => 40_000_000,
        Feature::BlsMapG2 => 120_000_000,
        Feature::P256Verify => 30_000_000,
        Feature::OtherPrecompileGas => 10_000,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_image_has_one_table() {
        for table in COST_TABLES {
            let found = cost_table(table.image).unwrap();
            assert_eq!(found.revision, table.revision);
        }
        assert!(cost_table("v0").is_none());
    }

    #[test]
    fn every_feature_costs_something_in_every_table() {
        for table in COST_TABLES {
            for feature in Feature::ALL {
                let work = Work::default().with(*feature, 1);
                assert!(table.instructions(&work) > 0, "{}", feature.name());
            }
        }
    }

    #[test]
    fn the_estimate_stops_at_its_maximum() {
        let work = Work::default()
            .with(Feature::Kzg, u64::MAX)
            .with(Feature::Batch, 1);
        assert_eq!(COST_TABLES[0].instructions(&work), u64::MAX);
    }

    proptest! {
        #[test]
        fn more_work_never_costs_less(
            at in 0..Feature::ALL.len(), times: u32, more: u32,
        ) {
            let feature = Feature::ALL[at];
            let work = Work::default().with(feature, u64::from(times));
            let larger = work.with(feature, u64::from(more));
            for table in COST_TABLES {
                prop_assert!(table.instructions(&larger) >= table.instructions(&work));
            }
        }
    }
}
