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
    revision: 6,
    coefficients: v1,
}];

/// The table of an image.
#[must_use]
pub fn cost_table(image: &str) -> Option<&'static CostTable> {
    COST_TABLES.iter().find(|table| table.image == image)
}

/// Image v1: keccak-256, SHA-256 and secp256k1 accelerated, all else in software on RV32IM.
///
/// Measured on 247 probes, which each do one thing often with its costliest operands, on 14 batches
/// of payments, ERC-20 transfers and deployments, and on 441 of the conformance tests; values with
/// which none of them is estimated below what the guest took (SSTF-11, checked with each image). The
/// 14 batches are estimated 15% too high in the mean, 38% at worst.
///
/// An accelerator does much for one instruction: a permutation of Keccak costs as much to prove as
/// about 1,100 instructions, a block of SHA-256 as about 135, an operation on 256 bits as about six.
/// Where a contract can buy that for gas ([`Feature::KeccakBlock`], [`Feature::Sha256Block`], opcodes)
/// it counts so.
#[expect(
    clippy::match_same_arms,
    reason = "a table: a line for each feature, in their order"
)]
const fn v1(feature: Feature) -> u64 {
    match feature {
        Feature::Batch => 97_000,
        Feature::Block => 12_000,
        Feature::Transaction => 12_000,
        Feature::Signature => 6_400,
        Feature::EnvelopeWord => 170,
        Feature::Log => 670,
        Feature::LogTopic => 370,
        Feature::LogWord => 40,
        Feature::ActivityEntry => 150,
        Feature::Loaded => 1_000,
        Feature::LeafOpened => 1_350,
        Feature::LeafWritten => 700,
        Feature::TreeNode => 110,
        Feature::CodeWord => 470,
        Feature::InitWord => 870,
        Feature::DeployedWord => 260,
        Feature::OpStack => 20,
        Feature::OpSwap => 35,
        Feature::OpSimple => 46,
        Feature::OpMul => 45,
        Feature::OpDiv => 1_520,
        Feature::OpModular => 4_200,
        Feature::OpExp => 350,
        Feature::ExpByte => 4_200,
        Feature::OpKeccak => 200,
        Feature::KeccakBlock => 1_100,
        Feature::OpMemory => 85,
        Feature::MemoryWord => 5,
        Feature::MemoryGrowth => 470,
        Feature::OpCopy => 250,
        Feature::OpLog => 490,
        Feature::CopyWord => 5,
        Feature::MoveWord => 200,
        Feature::OpEnvironment => 360,
        Feature::OpJump => 40,
        Feature::OpState => 1_100,
        Feature::OpStore => 1_820,
        Feature::OpTransient => 890,
        Feature::OpCall => 4_000,
        Feature::OpCreate => 5_400,
        Feature::OpEnd => 100,
        Feature::Undone => 620,
        Feature::Precompile => 300,
        Feature::EcRecover => 6_000,
        Feature::Sha256Block => 150,
        Feature::RipemdBlock => 2_600,
        Feature::ModexpGas => 190,
        Feature::Bn254Add => 150_000,
        Feature::Bn254Mul => 4_900_000,
        Feature::Bn254Pairing => 22_000_000,
        Feature::Bn254Pair => 20_000_000,
        Feature::Blake2Round => 610,
        Feature::Kzg => 150_000_000,
        Feature::BlsG1Add => 330_000,
        Feature::BlsG1Point => 14_000_000,
        Feature::BlsG2Add => 500_000,
        Feature::BlsG2Point => 36_000_000,
        Feature::BlsPairing => 46_000_000,
        Feature::BlsPair => 28_000_000,
        Feature::BlsMapG1 => 6_300_000,
        Feature::BlsMapG2 => 19_000_000,
        Feature::P256Verify => 23_000_000,
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

    /// Least gas that one of it costs, with the best discount of multi-scalar multiplications.
    const LEAST_GAS: &[(Feature, u64)] = &[
        (Feature::LogTopic, 375),
        (Feature::LogWord, 256),
        (Feature::OpStack, 1),
        (Feature::OpSwap, 3),
        (Feature::OpSimple, 3),
        (Feature::OpMul, 5),
        (Feature::OpDiv, 5),
        (Feature::OpModular, 8),
        (Feature::OpExp, 10),
        (Feature::ExpByte, 50),
        (Feature::OpKeccak, 30),
        // Six gas a word, 136 bytes a permutation.
        (Feature::KeccakBlock, 25),
        (Feature::OpMemory, 3),
        (Feature::MemoryWord, 3),
        (Feature::MemoryGrowth, 3),
        (Feature::OpCopy, 3),
        (Feature::OpLog, 375),
        (Feature::CopyWord, 3),
        (Feature::MoveWord, 3),
        (Feature::OpEnvironment, 2),
        (Feature::OpJump, 8),
        (Feature::OpState, 5),
        (Feature::OpStore, 100),
        (Feature::OpTransient, 100),
        (Feature::OpCall, 100),
        (Feature::OpCreate, 32_000),
        (Feature::Undone, 100),
        (Feature::InitWord, 2),
        (Feature::DeployedWord, 6_400),
        (Feature::CodeWord, 3),
        (Feature::LeafOpened, 1_900),
        (Feature::Loaded, 1_900),
        (Feature::Precompile, 100),
        (Feature::EcRecover, 3_000),
        (Feature::Sha256Block, 24),
        (Feature::RipemdBlock, 240),
        (Feature::ModexpGas, 1),
        (Feature::Bn254Add, 150),
        (Feature::Bn254Mul, 6_000),
        (Feature::Bn254Pairing, 45_000),
        (Feature::Bn254Pair, 34_000),
        (Feature::Blake2Round, 1),
        (Feature::Kzg, 50_000),
        (Feature::BlsG1Add, 375),
        (Feature::BlsG1Point, 12_000 * 519 / 1_000),
        (Feature::BlsG2Add, 600),
        (Feature::BlsG2Point, 22_500 * 524 / 1_000),
        (Feature::BlsPairing, 37_700),
        (Feature::BlsPair, 32_600),
        (Feature::BlsMapG1, 5_500),
        (Feature::BlsMapG2, 23_800),
        (Feature::P256Verify, 6_900),
    ];

    #[test]
    fn a_unit_of_gas_buys_no_more_than_is_documented() {
        for table in COST_TABLES {
            for (feature, gas) in LEAST_GAS {
                let bought = table.coefficient(*feature) / gas;
                assert!(bought <= 3_700, "{}: {bought} for a gas", feature.name());
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
