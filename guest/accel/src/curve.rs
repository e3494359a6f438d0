//! Recovery of a public key on secp256k1 by the machine's field and curve instructions.
//!
//! The key is `u1·G + u2·R` with `u1 = -z/r` and `u2 = s/r` (SEC 1, section 4.1.6). `u1` is split
//! into two halves of 128 bits, `u2` into two of about 129 with the curve's endomorphism, and the
//! four are added up in signed windows of 4 bits: 128 doublings and at most 132 additions.
//!
//! What is sound about it, where the machine alone is not:
//! - The addition instruction proves nothing when both points have the same `x`. Every addition is
//!   preceded by a comparison of the coordinates, by the instruction that also proves both reduced:
//!   comparing words would not do, because an instruction's result may be given unreduced to the
//!   proof, and a signer can choose `r` so small that `r + p` fits into 256 bits (SPV-11).
//! - The square root is hinted. It is used only if it is reduced and its square is right; otherwise
//!   the root is computed, and if that one is wrong too, there is none: a host's lie costs
//!   instructions and changes nothing (SPV-10).
//! - Bytes and the parity of a coordinate are read only from values that are proved to be reduced.

use core::mem::MaybeUninit;

/// 256 bits, the least significant word first: a coordinate or a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Int(pub [u32; 8]);

/// A point that is not at infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Point {
    /// First coordinate.
    pub x: Int,
    /// Second coordinate.
    pub y: Int,
}

/// The machine's instructions for secp256k1. Operands and results stand for their residues; they
/// need not be reduced, except where it says so.
pub trait Machine {
    /// Sum, difference or product of coordinates, written to a place that need not be initialised.
    fn to(out: &mut MaybeUninit<Int>, operation: Operation, a: &Int, b: &Int);
    /// Sum of coordinates.
    #[inline(always)]
    fn add(a: &Int, b: &Int) -> Int {
        value::<Self>(Operation::Add, a, b)
    }
    /// Difference of coordinates.
    #[inline(always)]
    fn sub(a: &Int, b: &Int) -> Int {
        value::<Self>(Operation::Sub, a, b)
    }
    /// Product of coordinates.
    #[inline(always)]
    fn mul(a: &Int, b: &Int) -> Int {
        value::<Self>(Operation::Mul, a, b)
    }
    /// Whether two coordinates are equal. Nothing can be proved when one of them is not reduced.
    fn equal(a: &Int, b: &Int) -> bool;
    /// What the host says is a square root of a coordinate. Anything at all.
    fn root_hint(a: &Int) -> Int;
    /// Difference of scalars.
    fn scalar_sub(a: &Int, b: &Int) -> Int;
    /// Quotient of scalars. The divisor must not be zero.
    fn scalar_div(a: &Int, b: &Int) -> Int;
    /// Adds a point whose `x` is another one.
    fn add_point(to: &mut Point, other: &Point);
    /// Writes the sum of two points with different `x`.
    fn sum_to(out: &mut MaybeUninit<Point>, a: &Point, b: &Point);
    /// Doubles a point.
    fn double(point: &mut Point);
    /// Ends the execution: the host cheated.
    fn cheated() -> !;
}

/// What is done with two coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
}

#[inline(always)]
fn value<M: Machine + ?Sized>(operation: Operation, a: &Int, b: &Int) -> Int {
    let mut out = MaybeUninit::uninit();
    M::to(&mut out, operation, a, b);
    // SAFETY: the machine has written it.
    unsafe { out.assume_init() }
}

static ZERO: Int = Int([0; 8]);
static SEVEN: Int = Int([7, 0, 0, 0, 0, 0, 0, 0]);

/// Modulus of coordinates: 2^256 - 2^32 - 977.
pub const PRIME: Int = Int([
    0xffff_fc2f,
    0xffff_fffe,
    u32::MAX,
    u32::MAX,
    u32::MAX,
    u32::MAX,
    u32::MAX,
    u32::MAX,
]);

/// Number of points: modulus of scalars.
pub const ORDER: Int = Int([
    0xd036_4141,
    0xbfd2_5e8c,
    0xaf48_a03b,
    0xbaae_dce6,
    0xffff_fffe,
    u32::MAX,
    u32::MAX,
    u32::MAX,
]);

/// A cube root of one: multiplying `x` by it multiplies the point by a fixed scalar.
static BETA: Int = Int([
    0x7195_01ee,
    0xc139_6c28,
    0x12f5_8995,
    0x9cf0_4975,
    0xac34_34e9,
    0x6e64_479e,
    0x657c_0710,
    0x7ae9_6a2b,
]);

impl Int {
    /// Whether the integer is below `modulus`.
    #[must_use]
    #[inline]
    pub fn is_below(&self, modulus: &Self) -> bool {
        for (ours, theirs) in self.0.iter().zip(&modulus.0).rev() {
            if ours != theirs {
                return ours < theirs;
            }
        }
        false
    }

    /// The integer, less the modulus of scalars if it is not below it.
    fn reduced_scalar(&self) -> Self {
        if self.is_below(&ORDER) {
            return *self;
        }
        let mut words = [0; 8];
        let mut borrow = false;
        for ((word, ours), order) in words.iter_mut().zip(self.0).zip(ORDER.0) {
            let (difference, first) = ours.overflowing_sub(order);
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            *word = difference;
            borrow = first || second;
        }
        Self(words)
    }
}

/// The public key that signed `digest`, or nothing when there is none: `r` is on no point, or the
/// key would be the point at infinity. Its coordinates are reduced.
///
/// `r` and `s` must be in `1..ORDER`; `s` may be in the upper half.
#[must_use]
pub fn recover<M: Machine>(digest: &Int, r: &Int, s: &Int, odd_y: bool) -> Option<Point> {
    let point = decompress::<M>(r, odd_y)?;
    let z = M::scalar_div(&digest.reduced_scalar(), r);
    let u1 = M::scalar_sub(&ZERO, &z);
    let u2 = M::scalar_div(s, r);
    let key = combine::<M>(&u1, &u2, &point)?;
    // The bytes of the key are hashed.
    if !key.x.is_below(&PRIME) || !key.y.is_below(&PRIME) {
        M::cheated();
    }
    Some(key)
}

/// The point with this `x`, which is reduced, and this parity of `y`.
fn decompress<M: Machine>(x: &Int, odd_y: bool) -> Option<Point> {
    let square = M::add(&M::mul(&M::mul(x, x), x), &SEVEN);
    let mut y = M::root_hint(&square);
    if !y.is_below(&PRIME) || !M::equal(&M::mul(&y, &y), &square) {
        y = power_to_root::<M>(&square);
        if !y.is_below(&PRIME) {
            M::cheated();
        }
        if !M::equal(&M::mul(&y, &y), &square) {
            return None;
        }
    }
    // No point has y = 0, so the other root has the other parity.
    let [lowest, ..] = y.0;
    if (lowest & 1 == 1) != odd_y {
        y = M::sub(&ZERO, &y);
    }
    Some(Point { x: *x, y })
}

/// `a^((p + 1) / 4)`: the root of a square, since p = 3 mod 4.
#[cold]
fn power_to_root<M: Machine>(a: &Int) -> Int {
    // (p + 1) / 4 = 2^254 - 2^30 - 244, whose highest bit is bit 253.
    const EXPONENT: [u32; 8] = [
        0xbfff_ff0c,
        u32::MAX,
        u32::MAX,
        u32::MAX,
        u32::MAX,
        u32::MAX,
        u32::MAX,
        0x3fff_ffff,
    ];
    let mut power = *a;
    let mut skip = 3;
    for word in EXPONENT.iter().rev() {
        for bit in (0..32).rev() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            power = M::mul(&power, &power);
            if word >> bit & 1 == 1 {
                power = M::mul(&power, a);
            }
        }
    }
    power
}

/// Multiples of a point by -8 to 7; that by 0 is not set.
type Table = [MaybeUninit<Point>; 16];

/// A scalar of at most 131 bits with its sign, plus 8 in every window: each window is then a digit
/// from -8 to 7, plus 8, and so an index of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Windows([u32; 5]);

/// Eight in each of 33 windows.
const BIAS: [u32; 5] = [0x8888_8888, 0x8888_8888, 0x8888_8888, 0x8888_8888, 8];

impl Windows {
    /// From a signed scalar in five words.
    #[inline]
    fn new(scalar: [u32; 5]) -> Self {
        let mut words = [0; 5];
        let mut carry = 0;
        for ((word, scalar), bias) in words.iter_mut().zip(scalar).zip(BIAS) {
            let sum = u64::from(scalar) + u64::from(bias) + carry;
            *word = low(sum);
            carry = sum >> 32;
        }
        Self(words)
    }

    /// From 128 bits.
    fn of_half(half: [u32; 4]) -> Self {
        let [a, b, c, d] = half;
        Self::new([a, b, c, d, 0])
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn low(word: u64) -> u32 {
    word as u32
}

/// `u1·G + u2·R`, or nothing for the point at infinity.
fn combine<M: Machine>(u1: &Int, u2: &Int, point: &Point) -> Option<Point> {
    let [a, b, c, d, e, f, g, h] = u1.0;
    let (first, second) = split(&u2.0);
    let scalars = [
        Windows::of_half([a, b, c, d]),
        Windows::of_half([e, f, g, h]),
        Windows::new(first),
        Windows::new(second),
    ];
    let mut multiples: Table = [const { MaybeUninit::uninit() }; 16];
    let mut turned: Table = [const { MaybeUninit::uninit() }; 16];
    fill_tables::<M>(point, &mut multiples, &mut turned);
    let tables = [
        crate::generator::ONE.as_ptr(),
        crate::generator::HALF_WAY.as_ptr(),
        multiples.as_ptr().cast::<Point>(),
        turned.as_ptr().cast::<Point>(),
    ];
    let mut sum = Sum { point: *point, is_infinity: true };
    for (scalar, table) in scalars.iter().zip(tables) {
        // The 33rd window: nothing is above it, by the bounds of `split`.
        sum.add_window::<M>(table, scalar.0[4] & 15);
    }
    for word in (0..4).rev() {
        let mut words = scalars.map(|scalar| scalar.0[word]);
        for _ in 0..8 {
            sum.double_four_times::<M>();
            for (word, table) in words.iter_mut().zip(tables) {
                sum.add_window::<M>(table, *word >> 28);
                *word <<= 4;
            }
        }
    }
    (!sum.is_infinity).then_some(sum.point)
}

/// A sum of points on the way.
struct Sum {
    point: Point,
    /// Whether the sum is the point at infinity, whatever `point` says.
    is_infinity: bool,
}

impl Sum {
    #[inline(always)]
    fn double_four_times<M: Machine>(&mut self) {
        if !self.is_infinity {
            M::double(&mut self.point);
            M::double(&mut self.point);
            M::double(&mut self.point);
            M::double(&mut self.point);
        }
    }

    /// Adds the multiple that a window asks for.
    #[inline(always)]
    fn add_window<M: Machine>(&mut self, table: *const Point, window: u32) {
        if window != 8 {
            // SAFETY: a table has 16 points, of which all but number 8 are set; a window has 4 bits.
            self.add::<M>(unsafe { &*table.add(window as usize) });
        }
    }

    #[inline(always)]
    fn add<M: Machine>(&mut self, other: &Point) {
        if self.is_infinity {
            self.point = *other;
            self.is_infinity = false;
        } else if !M::equal(&self.point.x, &other.x) {
            M::add_point(&mut self.point, other);
        } else if M::equal(&self.point.y, &other.y) {
            M::double(&mut self.point);
        } else {
            self.is_infinity = true;
        }
    }
}

/// Fills the table of a point, and that of the point multiplied by the endomorphism's scalar.
#[inline(always)]
fn fill_tables<M: Machine>(point: &Point, multiples: &mut Table, turned: &mut Table) {
    let mut doubled = *point;
    M::double(&mut doubled);
    multiples[9].write(*point);
    multiples[10].write(doubled);
    // The order of the point is a large prime: none of these sums adds a point to itself or to its
    // negative.
    for digit in 3..8 {
        let (before, rest) = multiples.split_at_mut(8 + digit);
        // SAFETY: the multiple by one less was written before.
        M::sum_to(&mut rest[0], unsafe { before[7 + digit].assume_init_ref() }, point);
    }
    let (negative, positive) = multiples.split_at_mut(8);
    // SAFETY: the multiple by 4 was written above.
    let mut last = unsafe { positive[4].assume_init() };
    M::double(&mut last);
    negate_to::<M>(&mut negative[0], &last);
    // SAFETY: just written.
    turn_to::<M>(&mut turned[0], unsafe { negative[0].assume_init_ref() });
    for digit in 1..8 {
        // SAFETY: the multiples by 1 to 7 were written above.
        let multiple = unsafe { positive[digit].assume_init_ref() };
        negate_to::<M>(&mut negative[8 - digit], multiple);
        turn_to::<M>(&mut turned[8 + digit], multiple);
        let (before, after) = turned.split_at_mut(8 + digit);
        // SAFETY: just written.
        negate_to::<M>(&mut before[8 - digit], unsafe { after[0].assume_init_ref() });
    }
}

/// Places of a point's coordinates.
#[inline(always)]
fn halves(point: &mut MaybeUninit<Point>) -> (&mut MaybeUninit<Int>, &mut MaybeUninit<Int>) {
    let point = point.as_mut_ptr();
    // SAFETY: both lie in the point and do not overlap; nothing is read.
    unsafe { (&mut *(&raw mut (*point).x).cast(), &mut *(&raw mut (*point).y).cast()) }
}

/// Writes the negative of a point. Adding zero copies in one instruction.
#[inline(always)]
fn negate_to<M: Machine>(out: &mut MaybeUninit<Point>, point: &Point) {
    let (x, y) = halves(out);
    M::to(x, Operation::Add, &point.x, &ZERO);
    M::to(y, Operation::Sub, &ZERO, &point.y);
}

/// Writes the point multiplied by the endomorphism's scalar.
#[inline(always)]
fn turn_to<M: Machine>(out: &mut MaybeUninit<Point>, point: &Point) {
    let (x, y) = halves(out);
    M::to(x, Operation::Mul, &point.x, &BETA);
    M::to(y, Operation::Add, &point.y, &ZERO);
}

/// Splits a scalar `k` into `k1 + k2·λ` modulo the order, where λ is the endomorphism's scalar and
/// both parts are below 2^129 in absolute value, given modulo 2^160.
///
/// The parts are `(k, 0) - c1·(a1, b1) - c2·(a2, b2)` for a basis of the lattice of all `(x, y)`
/// with `x + y·λ = 0`, so they stand for `k` whatever `c1` and `c2` are; that these are close to
/// `k·b2/n` and `-k·b1/n`, from below by less than 1 + 2^-20, bounds the parts.
fn split(k: &[u32; 8]) -> ([u32; 5], [u32; 5]) {
    /// 2^384·b2/n, 2^384·(-b1)/n, rounded.
    const G1: [u32; 8] = [
        0x45db_b031, 0xe893_209a, 0x71e8_ca7f, 0x3daa_8a14, 0x9284_eb15, 0xe86c_90e4, 0xa7d4_6bcd,
        0x3086_d221,
    ];
    const G2: [u32; 8] = [
        0x8ac4_7f71, 0x1571_b4ae, 0x9df5_06c6, 0x2212_08ac, 0x0abf_e4c4, 0x6f54_7fa9, 0x010e_8828,
        0xe443_7ed6,
    ];
    /// a1 = b2.
    const A1: [u32; 5] = [0x9284_eb15, 0xe86c_90e4, 0xa7d4_6bcd, 0x3086_d221, 0];
    /// -b1.
    const MINUS_B1: [u32; 5] = [0x0abf_e4c3, 0x6f54_7fa9, 0x010e_8828, 0xe443_7ed6, 0];
    const A2: [u32; 5] = [0x9d44_cfd8, 0x57c1_108d, 0xa8e2_f3f6, 0x14ca_50f7, 1];
    let c1 = upper_product(k, &G1);
    let c2 = upper_product(k, &G2);
    let [k0, k1, k2, k3, k4, ..] = *k;
    let first = minus(&[k0, k1, k2, k3, k4], &lower_product(&c1, &A1));
    let first = minus(&first, &lower_product(&c2, &A2));
    let second = minus(&lower_product(&c1, &MINUS_B1), &lower_product(&c2, &A1));
    (first, second)
}

/// The product divided by 2^384, rounded down, or one less: products of words that cannot reach it
/// by more than a carry are left out.
#[inline]
fn upper_product(a: &[u32; 8], b: &[u32; 8]) -> [u32; 4] {
    let mut sum = [0_u32; 6];
    for i in 3..8 {
        let mut carry = 0;
        for j in (10 - i)..8 {
            // At most (2^32 - 1)^2 + 2·(2^32 - 1) = 2^64 - 1.
            let word = u64::from(a[i]) * u64::from(b[j]) + u64::from(sum[i + j - 10]) + carry;
            sum[i + j - 10] = low(word);
            carry = word >> 32;
        }
        sum[i - 2] = low(carry);
    }
    let [_, _, result @ ..] = sum;
    result
}

/// The product modulo 2^160.
#[inline]
fn lower_product(a: &[u32; 4], b: &[u32; 5]) -> [u32; 5] {
    let mut sum = [0_u32; 5];
    for i in 0..4 {
        let mut carry = 0;
        for j in 0..(5 - i) {
            let word = u64::from(a[i]) * u64::from(b[j]) + u64::from(sum[i + j]) + carry;
            sum[i + j] = low(word);
            carry = word >> 32;
        }
    }
    sum
}

/// The difference modulo 2^160.
#[inline]
fn minus(a: &[u32; 5], b: &[u32; 5]) -> [u32; 5] {
    let mut difference = [0; 5];
    let mut borrow = false;
    for ((word, a), b) in difference.iter_mut().zip(a).zip(b) {
        let (first, first_borrow) = a.overflowing_sub(*b);
        let (second, second_borrow) = first.overflowing_sub(u32::from(borrow));
        *word = second;
        borrow = first_borrow || second_borrow;
    }
    difference
}
