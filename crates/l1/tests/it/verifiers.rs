//! Verifiers: deployed with an installation, added to one through its timelock, listed and frozen.

use cloister_l1::{
    Address, ChangeError, DeployPlan, Governance, L1Error, MAX_TRANSACTION_GAS, Proposal, Refusal,
    SendError, SendLimits, VerifierImage,
};
use serde_json::json;

use crate::{World, key, plan};

const LIMITS: SendLimits = SendLimits {
    max_fee_per_gas_wei: 500_000_000_000,
    inclusion_timeout: std::time::Duration::from_secs(30),
};

/// The image of the small circuit of `crates/wrap`'s tests, and of another one.
fn sample(version: u32) -> VerifierImage {
    let mut bytes = include_bytes!("../../../../tests/vectors/wrap/sample.image").to_vec();
    let last = bytes.len() - 1;
    // Another program of the circuit.
    bytes[last] ^= u8::try_from(version).unwrap();
    VerifierImage::new(version, bytes).unwrap()
}

fn released() -> VerifierImage {
    let bytes: &[u8] = include_bytes!("../../../../guest/image/v1/verifier.image");
    VerifierImage::new(1, bytes).unwrap()
}

impl World {
    async fn governance(&self) -> Governance {
        let Self { deployment, .. } = self;
        Governance::open(&self.client, deployment.rollup, deployment.timelock)
            .await
            .unwrap()
    }

    /// By the governor, or by another key.
    async fn propose(&self, signer: usize, image: &VerifierImage) -> Result<Proposal, ChangeError> {
        let governance = self.governance().await;
        governance
            .propose(&key(signer), image, LIMITS, &mut |_| ())
            .await
    }

    async fn execute(&self, verifier: Address) -> Result<u32, ChangeError> {
        let governance = self.governance().await;
        let known = [sample(1), sample(2)];
        let done = governance
            .execute(&key(0), verifier, &known, LIMITS, &mut |_| ())
            .await;
        done.map(|done| done.version)
    }

    async fn pass(&self, seconds: u64) {
        let params = json!([seconds]);
        self.anvil.rpc("evm_increaseTime", params).await.unwrap();
        self.anvil.mine(1).await.unwrap();
    }
}

/// SET-6: the router itself compared the code with the hash that was computed here.
#[tokio::test]
async fn set_6_deploys_the_released_verifier_with_the_installation() {
    let mut told = Vec::new();
    let plan = DeployPlan {
        verifiers: vec![released()],
        ..plan()
    };
    let world = World::with(&plan, &mut |step| told.push(step.what.clone())).await;
    let transactions = &world.deployment.transactions;
    assert_eq!(transactions.len() as u64, plan.transactions());
    assert_eq!(transactions.len(), told.len());
    assert!(
        transactions
            .iter()
            .all(|one| one.gas_used < MAX_TRANSACTION_GAS)
    );
    let [verifier] = world.deployment.verifiers[..] else {
        panic!("one verifier")
    };
    assert_eq!(
        (verifier.version, verifier.image_hash),
        (1, released().hash())
    );

    let router = world.client.verifier_router(world.deployment.rollup).await;
    let router = router.unwrap();
    assert_eq!(router.address(), world.deployment.router);
    let entries = router.verifiers(&[sample(7), released()]).await.unwrap();
    let [entry] = entries[..] else {
        panic!("one version")
    };
    assert_eq!((entry.version, entry.address), (1, verifier.address));
    assert_eq!(entry.known, Some(1));
    assert!(entry.intact && !entry.frozen);
    assert_eq!(entry.program, Some(released().program()));
    assert_eq!(entry.image_hash, Some(released().hash()));
    assert_eq!(router.verifier(2, &[]).await, Ok(None));

    // To whom the image is not known, the contract says the same, but only says it.
    let told = router.verifier(1, &[sample(7)]).await.unwrap().unwrap();
    assert_eq!(told.known, None);
    assert_eq!(told.program, Some(released().program()));
    assert_eq!(told.machine, Some(released().machine()));
    assert_eq!(told.image_hash, Some(released().hash()));

    // Other code in its place, as only this node's cheat can put it there.
    let code = json!([verifier.address, "0x00"]);
    world.anvil.rpc("anvil_setCode", code).await.unwrap();
    let changed = router.verifier(1, &[released()]).await.unwrap().unwrap();
    assert!(!changed.intact);
}

#[tokio::test]
async fn set_4_a_verifier_is_added_through_the_timelock_after_its_delay() {
    let world = World::new().await;
    // Anybody may deploy one, but not schedule it.
    let proposed = world.propose(1, &sample(1)).await.unwrap();
    assert_eq!(proposed.ready_at, None);
    assert_eq!(proposed.verifier.version, 1);
    let unscheduled = world.execute(proposed.verifier.address).await;
    assert!(
        matches!(
            unscheduled,
            Err(ChangeError::NotScheduled { version: 1, .. })
        ),
        "{unscheduled:?}"
    );
    let (timelock, input) = (world.deployment.timelock, proposed.schedule.clone());
    let stranger = key(1).address();
    assert_eq!(
        world
            .client
            .estimate_gas(stranger, timelock, input.clone())
            .await,
        Err(L1Error::Reverts(Refusal::Unauthorized {
            account: stranger
        }))
    );
    // The governor may, with the same call.
    let governor = key(0).address();
    let estimate = world.client.estimate_gas(governor, timelock, input).await;
    assert!(estimate.is_ok(), "{estimate:?}");

    let proposed = world.propose(0, &sample(1)).await.unwrap();
    let now = world.client.head().await.unwrap().timestamp;
    assert_eq!(proposed.ready_at, Some(now + plan().timelock_delay_s));
    let verifier = proposed.verifier.address;
    let early = world.execute(verifier).await;
    assert!(
        matches!(early, Err(ChangeError::TooEarly { .. })),
        "{early:?}"
    );

    world.pass(plan().timelock_delay_s).await;
    assert_eq!(world.execute(verifier).await.unwrap(), 1);
    let again = world.execute(verifier).await;
    assert!(
        matches!(again, Err(ChangeError::Present { version: 1 })),
        "{again:?}"
    );
    let twice = world.propose(0, &sample(1)).await;
    assert!(
        matches!(twice, Err(ChangeError::Present { version: 1 })),
        "{twice:?}"
    );
    let next = world.propose(0, &sample(2)).await.unwrap();
    assert_eq!(next.verifier.version, 2);
}

#[tokio::test]
async fn adds_no_code_that_it_does_not_know_and_asks_no_other_timelock() {
    let world = World::new().await;
    let no_verifier = world.execute(world.deployment.rollup).await;
    assert!(
        matches!(no_verifier, Err(ChangeError::UnknownCode { .. })),
        "{no_verifier:?}"
    );
    let unknown = world.propose(0, &sample(7)).await.unwrap();
    world.pass(plan().timelock_delay_s).await;
    let refused = world.execute(unknown.verifier.address).await;
    assert!(
        matches!(refused, Err(ChangeError::UnknownCode { .. })),
        "{refused:?}"
    );
    for other in [world.deployment.router, key(0).address()] {
        let opened = Governance::open(&world.client, world.deployment.rollup, other).await;
        assert!(
            matches!(opened, Err(ChangeError::NotTheTimelock { .. })),
            "{opened:?}"
        );
    }
}

#[tokio::test]
async fn the_guardian_freezes_a_verifier_for_ever() {
    let plan = DeployPlan {
        verifiers: vec![sample(1), sample(2)],
        ..plan()
    };
    let world = World::with(&plan, &mut |_| ()).await;
    let router = world.client.verifier_router(world.deployment.rollup).await;
    let router = router.unwrap();
    let stranger = router.freeze(&key(1), 1, LIMITS, &mut |_| ()).await;
    let account = key(1).address();
    assert!(
        matches!(&stranger, Err(SendError::Node { source: L1Error::Reverts(refusal), .. })
            if *refusal == Refusal::Unauthorized { account }),
        "{stranger:?}"
    );
    router
        .freeze(&key(0), 1, LIMITS, &mut |_| ())
        .await
        .unwrap();
    let entries = router.verifiers(&[sample(1), sample(2)]).await.unwrap();
    let frozen: Vec<_> = entries
        .iter()
        .map(|entry| (entry.known, entry.frozen))
        .collect();
    assert_eq!(frozen, [(Some(1), true), (Some(2), false)]);
    let twice = router.freeze(&key(0), 1, LIMITS, &mut |_| ()).await;
    assert!(matches!(twice, Err(SendError::Node { .. })), "{twice:?}");
}
