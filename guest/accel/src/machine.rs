//! secp256k1 by the machine's instructions.

use core::mem::MaybeUninit;

use openvm_algebra_guest::{MODULAR_ARITHMETIC_FUNCT3, ModArithBaseFunct7, OPCODE};
use openvm_custom_insn::custom_insn_r;
use openvm_rv32im_guest::hint_buffer_chunked;

use crate::{
    curve::{Int, Machine, ORDER, Operation, PRIME, Point},
    runtime,
};

/// Instructions on points. Their crate (`openvm-ecc-guest`) brings a runtime and an allocator of
/// its own, so its four numbers are repeated here.
const POINT_FUNCT3: u8 = 0b001;
const POINT_ADD: u8 = 0;
const POINT_DOUBLE: u8 = 1;
const POINT_SETUP: u8 = 2;

/// Positions of the two moduli in the machine's configuration.
const COORDINATES: u8 = 0;
const SCALARS: u8 = ModArithBaseFunct7::MODULAR_ARITHMETIC_MAX_KINDS;

macro_rules! operation {
    ($modulus:expr, $kind:ident, $out:expr, $a:expr, $b:expr) => {{
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = MODULAR_ARITHMETIC_FUNCT3,
            funct7 = ModArithBaseFunct7::$kind as u8 + $modulus,
            rd = In $out.as_mut_ptr(),
            rs1 = In core::ptr::from_ref($a),
            rs2 = In core::ptr::from_ref($b)
        );
    }};
}

/// The machine that this program runs on.
#[derive(Clone, Copy, Debug)]
pub struct Accelerated;

impl Machine for Accelerated {
    #[inline(always)]
    fn to(out: &mut MaybeUninit<Int>, operation: Operation, a: &Int, b: &Int) {
        match operation {
            Operation::Add => { operation!(COORDINATES, AddMod, out, a, b); }
            Operation::Sub => { operation!(COORDINATES, SubMod, out, a, b); }
            Operation::Mul => { operation!(COORDINATES, MulMod, out, a, b); }
        }
    }

    #[inline(always)]
    fn equal(a: &Int, b: &Int) -> bool {
        let result: u32;
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = MODULAR_ARITHMETIC_FUNCT3,
            funct7 = ModArithBaseFunct7::IsEqMod as u8 + COORDINATES,
            rd = Out result,
            rs1 = In core::ptr::from_ref(a),
            rs2 = In core::ptr::from_ref(b)
        );
        result != 0
    }

    fn root_hint(a: &Int) -> Int {
        let mut root = MaybeUninit::<Int>::uninit();
        let mut is_square = 0_u32;
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = MODULAR_ARITHMETIC_FUNCT3,
            funct7 = ModArithBaseFunct7::HintSqrt as u8 + COORDINATES,
            rd = Const "x0",
            rs1 = In core::ptr::from_ref(a),
            rs2 = Const "x0"
        );
        // Whether the host says that it is a square does not matter: the root is checked.
        hint_buffer_chunked((&raw mut is_square).cast(), 1);
        hint_buffer_chunked(root.as_mut_ptr().cast(), 8);
        // SAFETY: the machine has written it.
        unsafe { root.assume_init() }
    }

    #[inline(always)]
    fn scalar_sub(a: &Int, b: &Int) -> Int {
        let mut out = MaybeUninit::uninit();
        operation!(SCALARS, SubMod, out, a, b);
        // SAFETY: the machine has written it.
        unsafe { out.assume_init() }
    }

    #[inline(always)]
    fn scalar_div(a: &Int, b: &Int) -> Int {
        let mut out = MaybeUninit::uninit();
        operation!(SCALARS, DivMod, out, a, b);
        // SAFETY: the machine has written it.
        unsafe { out.assume_init() }
    }

    #[inline(always)]
    fn add_point(to: &mut Point, other: &Point) {
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = POINT_FUNCT3,
            funct7 = POINT_ADD,
            rd = In core::ptr::from_mut(to),
            rs1 = In core::ptr::from_mut(to),
            rs2 = In core::ptr::from_ref(other)
        );
    }

    #[inline(always)]
    fn sum_to(out: &mut MaybeUninit<Point>, a: &Point, b: &Point) {
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = POINT_FUNCT3,
            funct7 = POINT_ADD,
            rd = In out.as_mut_ptr(),
            rs1 = In core::ptr::from_ref(a),
            rs2 = In core::ptr::from_ref(b)
        );
    }

    #[inline(always)]
    fn double(point: &mut Point) {
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = POINT_FUNCT3,
            funct7 = POINT_DOUBLE,
            rd = In core::ptr::from_mut(point),
            rs1 = In core::ptr::from_mut(point),
            rs2 = Const "x0"
        );
    }

    fn cheated() -> ! {
        runtime::exit(runtime::EXIT_HOST)
    }
}

macro_rules! set_up_modulus {
    ($modulus:expr, $value:expr, $which:literal) => {{
        let mut result = MaybeUninit::<Int>::uninit();
        let mut written = result.as_mut_ptr();
        custom_insn_r!(
            opcode = OPCODE,
            funct3 = MODULAR_ARITHMETIC_FUNCT3,
            funct7 = ModArithBaseFunct7::SetupMod as u8 + $modulus,
            rd = InOut written,
            rs1 = In core::ptr::from_ref($value),
            rs2 = Const $which
        );
        let _ = written;
    }};
}

/// Shows the machine the moduli and the curve that this program means: each of its units refuses to
/// prove anything for another one. Once, before any other of these instructions.
pub fn set_up() {
    set_up_modulus!(COORDINATES, &PRIME, "x0");
    set_up_modulus!(COORDINATES, &PRIME, "x1");
    set_up_modulus!(COORDINATES, &PRIME, "x2");
    set_up_modulus!(SCALARS, &ORDER, "x0");
    set_up_modulus!(SCALARS, &ORDER, "x1");
    set_up_modulus!(SCALARS, &ORDER, "x2");
    // The modulus with the curve's coefficient a, and for additions some other point.
    let curve = Point {
        x: PRIME,
        y: Int([0; 8]),
    };
    let one = Int([1, 0, 0, 0, 0, 0, 0, 0]);
    let other = Point { x: one, y: one };
    let mut result = MaybeUninit::<Point>::uninit();
    custom_insn_r!(
        opcode = OPCODE,
        funct3 = POINT_FUNCT3,
        funct7 = POINT_SETUP,
        rd = In result.as_mut_ptr(),
        rs1 = In &raw const curve,
        rs2 = In &raw const other
    );
    custom_insn_r!(
        opcode = OPCODE,
        funct3 = POINT_FUNCT3,
        funct7 = POINT_SETUP,
        rd = In result.as_mut_ptr(),
        rs1 = In &raw const curve,
        rs2 = Const "x0"
    );
}
