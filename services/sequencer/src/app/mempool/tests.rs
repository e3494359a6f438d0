use alloy_primitives::{Address, B256};

use super::{Mempool, MempoolLimits, PoolError, PoolKey, raised};

const LIMITS: MempoolLimits = MempoolLimits {
    max_transactions: 6,
    max_per_sender: 4,
    max_transaction_bytes: 1_000,
    max_bytes: 4_000,
    gap_timeout_ms: 10_000,
};

fn key(sender: u8, nonce: u64, price: u128) -> PoolKey {
    let mut hash = [0u8; 32];
    hash[0] = sender;
    hash[1..9].copy_from_slice(&nonce.to_be_bytes());
    hash[9..25].copy_from_slice(&price.to_be_bytes());
    PoolKey {
        hash: B256::from(hash),
        sender: Address::with_last_byte(sender),
        nonce,
        max_fee_per_gas: price,
        max_priority_fee_per_gas: price,
        gas_limit: 21_000,
        bytes: 100,
    }
}

fn pool() -> Mempool<()> {
    Mempool::new(LIMITS, 0)
}

fn add(pool: &mut Mempool<()>, key: PoolKey) -> Result<(), PoolError> {
    pool.insert(key, (), || 0, 0).map(|_| ())
}

fn order(pool: &mut Mempool<()>) -> Vec<(u8, u64)> {
    std::iter::from_fn(|| pool.take_best(u64::MAX, 0))
        .map(|(key, ())| (key.sender.as_slice()[19], key.nonce))
        .collect()
}

#[test]
fn takes_nonces_of_one_sender_in_order_whatever_they_pay() {
    let mut pool = pool();
    for (nonce, price) in [(2, 9), (0, 1), (1, 5)] {
        add(&mut pool, key(1, nonce, price)).unwrap();
    }
    assert_eq!(order(&mut pool), [(1, 0), (1, 1), (1, 2)]);
}

#[test]
fn takes_the_best_price_first_and_the_first_come_among_equals() {
    let mut pool = pool();
    for (sender, price) in [(1, 1), (2, 3), (3, 1)] {
        add(&mut pool, key(sender, 0, price)).unwrap();
    }
    assert_eq!(order(&mut pool), [(2, 0), (1, 0), (3, 0)]);
}

#[test]
fn counts_only_what_is_left_above_the_base_fee_as_the_price() {
    let mut pool = Mempool::new(LIMITS, 10);
    let high_fee_low_tip = PoolKey {
        max_priority_fee_per_gas: 1,
        ..key(1, 0, 100)
    };
    let low_fee = key(2, 0, 12);
    pool.insert(high_fee_low_tip, (), || 0, 0).unwrap();
    pool.insert(low_fee, (), || 0, 0).unwrap();
    assert_eq!(order(&mut pool), [(2, 0), (1, 0)]);
}

#[test]
fn refuses_a_used_nonce() {
    let mut pool = pool();
    let refused = pool.insert(key(1, 4, 1), (), || 5, 0).unwrap_err();
    assert_eq!(
        refused,
        PoolError::NonceTooLow {
            expected: 5,
            got: 4
        }
    );
}

#[test]
fn queues_a_gap_until_it_closes() {
    let mut pool = pool();
    add(&mut pool, key(1, 1, 1)).unwrap();
    assert!(!pool.has_ready());
    assert_eq!(pool.pending_nonce(&Address::with_last_byte(1)), Some(0));
    add(&mut pool, key(1, 0, 1)).unwrap();
    assert_eq!(pool.pending_nonce(&Address::with_last_byte(1)), Some(2));
    assert_eq!(order(&mut pool), [(1, 0), (1, 1)]);
}

#[test]
fn refuses_a_nonce_beyond_the_queue() {
    let mut pool = pool();
    add(&mut pool, key(1, 3, 1)).unwrap();
    let refused = add(&mut pool, key(1, 4, 1)).unwrap_err();
    assert_eq!(
        refused,
        PoolError::NonceTooHigh {
            expected: 0,
            got: 4
        }
    );
}

#[test]
fn lets_go_of_a_gap_that_stays_open_and_keeps_what_is_before_it() {
    let mut pool = pool();
    pool.insert(key(1, 0, 1), (), || 0, 0).unwrap();
    pool.insert(key(1, 2, 1), (), || 0, 1_000).unwrap();
    pool.insert(key(1, 3, 1), (), || 0, 5_000).unwrap();
    assert!(pool.expire(10_999).is_empty());
    let gone: Vec<_> = pool
        .expire(11_000)
        .into_iter()
        .map(|entry| entry.reason)
        .collect();
    assert_eq!(
        gone,
        [
            PoolError::NonceTooHigh {
                expected: 1,
                got: 2
            },
            PoolError::NonceTooHigh {
                expected: 1,
                got: 3
            },
        ]
    );
    assert_eq!(order(&mut pool), [(1, 0)]);
    assert_eq!(pool.bytes(), 0);
}

#[test]
fn replaces_at_ten_percent_more_and_not_below() {
    let mut pool = pool();
    add(&mut pool, key(1, 0, 100)).unwrap();
    let refused = add(&mut pool, key(1, 0, 109)).unwrap_err();
    assert_eq!(
        refused,
        PoolError::UnderpricedReplacement {
            nonce: 0,
            required: 110
        }
    );
    let replaced = pool.insert(key(1, 0, 110), (), || 0, 0).unwrap().unwrap();
    assert_eq!(replaced.key, key(1, 0, 100));
    assert_eq!(
        replaced.reason,
        PoolError::Replaced {
            by: key(1, 0, 110).hash
        }
    );
    assert_eq!(pool.len(), 1);
    assert_eq!(pool.bytes(), 100);
}

#[test]
fn a_replacement_raises_both_fees() {
    let mut pool = pool();
    add(&mut pool, key(1, 0, 100)).unwrap();
    let only_fee = PoolKey {
        max_priority_fee_per_gas: 100,
        ..key(1, 0, 200)
    };
    let refused = add(&mut pool, only_fee).unwrap_err();
    assert_eq!(
        refused,
        PoolError::UnderpricedReplacement {
            nonce: 0,
            required: 110
        }
    );
}

#[test]
fn a_free_transaction_is_replaced_by_one_wei_and_not_by_nothing() {
    assert_eq!(raised(0), 1);
    assert_eq!(raised(1), 2);
    assert_eq!(raised(11), 13);
    assert_eq!(raised(1_000), 1_100);
    assert_eq!(raised(u128::MAX), u128::MAX);
}

#[test]
fn replaces_even_when_the_pool_is_full() {
    let mut pool = pool();
    for sender in 1..=6 {
        add(&mut pool, key(sender, 0, 1)).unwrap();
    }
    assert_eq!(add(&mut pool, key(7, 0, 50)).unwrap_err(), PoolError::Full);
    add(&mut pool, key(3, 0, 2)).unwrap();
    assert_eq!(pool.len(), 6);
}

#[test]
fn limits_the_transactions_of_one_sender() {
    let limits = MempoolLimits {
        max_transactions: 100,
        ..LIMITS
    };
    let mut pool = Mempool::new(limits, 0);
    for nonce in 0..4 {
        pool.insert(key(1, nonce, 1), (), || 0, 0).unwrap();
    }
    pool.take_best(u64::MAX, 0).unwrap();
    pool.insert(key(1, 4, 1), (), || 0, 0).unwrap();
    let refused = pool.insert(key(1, 5, 1), (), || 0, 0).unwrap_err();
    assert_eq!(
        refused,
        PoolError::NonceTooHigh {
            expected: 1,
            got: 5
        }
    );
}

#[test]
fn limits_bytes_of_one_and_of_all() {
    let mut pool = pool();
    let large = PoolKey {
        bytes: 1_001,
        ..key(1, 0, 1)
    };
    assert_eq!(
        add(&mut pool, large).unwrap_err(),
        PoolError::TooLarge {
            limit: 1_000,
            got: 1_001
        }
    );
    for sender in 1..=4 {
        add(
            &mut pool,
            PoolKey {
                bytes: 1_000,
                ..key(sender, 0, 1)
            },
        )
        .unwrap();
    }
    assert_eq!(add(&mut pool, key(5, 0, 1)).unwrap_err(), PoolError::Full);
}

#[test]
fn knows_a_transaction_until_its_block_is_durable() {
    let mut pool = pool();
    let known = key(1, 0, 1);
    add(&mut pool, known).unwrap();
    assert_eq!(
        add(&mut pool, known).unwrap_err(),
        PoolError::AlreadyKnown { hash: known.hash }
    );
    pool.take_best(u64::MAX, 0).unwrap();
    assert_eq!(
        add(&mut pool, known).unwrap_err(),
        PoolError::AlreadyKnown { hash: known.hash }
    );
    pool.settle(&known.sender, 1, 1, 0);
    pool.forget(&known.hash);
    let refused = pool.insert(known, (), || 1, 0).unwrap_err();
    assert_eq!(
        refused,
        PoolError::NonceTooLow {
            expected: 1,
            got: 0
        }
    );
}

#[test]
fn a_transaction_refused_by_execution_reopens_its_nonce() {
    let mut pool = pool();
    add(&mut pool, key(1, 0, 1)).unwrap();
    add(&mut pool, key(1, 1, 1)).unwrap();
    let (taken, ()) = pool.take_best(u64::MAX, 0).unwrap();
    assert!(pool.settle(&taken.sender, 0, 1, 0).is_empty());
    pool.forget(&taken.hash);
    assert!(!pool.has_ready());
    add(&mut pool, key(1, 0, 2)).unwrap();
    assert_eq!(order(&mut pool), [(1, 0), (1, 1)]);
}

#[test]
fn drops_what_an_authorization_overtook() {
    let mut pool = pool();
    add(&mut pool, key(1, 0, 1)).unwrap();
    add(&mut pool, key(1, 1, 1)).unwrap();
    let removed = pool.settle(&Address::with_last_byte(1), 1, 0, 0);
    assert_eq!(removed.len(), 1);
    assert_eq!(
        removed[0].reason,
        PoolError::NonceTooLow {
            expected: 1,
            got: 0
        }
    );
    assert_eq!(order(&mut pool), [(1, 1)]);
}

#[test]
fn leaves_a_transaction_that_does_not_fit_the_block() {
    let mut pool = pool();
    add(&mut pool, key(1, 0, 1)).unwrap();
    assert!(pool.take_best(20_999, 0).is_none());
    assert!(pool.take_best(21_000, 0).is_some());
}

#[test]
fn is_empty_again_after_everything_left() {
    let mut pool = pool();
    for sender in 1..=3 {
        add(&mut pool, key(sender, 0, 1)).unwrap();
        add(&mut pool, key(sender, 1, 1)).unwrap();
    }
    assert_eq!(pool.ready_gas(), 6 * 21_000);
    while let Some((taken, ())) = pool.take_best(u64::MAX, 0) {
        pool.settle(&taken.sender, taken.nonce + 1, 1, 0);
        pool.forget(&taken.hash);
    }
    assert_eq!((pool.len(), pool.bytes(), pool.ready_gas()), (0, 0, 0));
    assert!(pool.accounts.is_empty() && pool.gaps.is_empty() && pool.ready.is_empty());
}

#[test]
fn hands_everything_back_in_order_of_arrival_at_shutdown() {
    let mut pool = pool();
    add(&mut pool, key(2, 0, 1)).unwrap();
    add(&mut pool, key(1, 1, 9)).unwrap();
    let all: Vec<_> = pool.drain().into_iter().map(|(key, ())| key).collect();
    assert_eq!(all, [key(2, 0, 1), key(1, 1, 9)]);
    assert_eq!(pool.len(), 0);
}
