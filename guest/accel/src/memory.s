# memcpy, memmove, memset, memcmp and bcmp for the proving machine. Each instruction is proved, loads
# and stores must be aligned, and most copies here are of 20 to 64 bytes. 32 bytes at once are an
# operation on 256-bit integers: AND with itself copies, XOR with itself clears.

	.text

	.macro	copy_256 to, from
	.insn	r 0x0b, 0b101, 4, \to, \from, \from
	.endm

	.macro	clear_256 to
	.insn	r 0x0b, 0b101, 2, \to, \to, \to
	.endm

	.macro	or_256 to, one, other
	.insn	r 0x0b, 0b101, 3, \to, \one, \other
	.endm

	.macro	shift_left_256 to, from, by
	.insn	r 0x0b, 0b101, 5, \to, \from, \by
	.endm

	.macro	shift_right_256 to, from, by
	.insn	r 0x0b, 0b101, 6, \to, \from, \by
	.endm

	.macro	branch_if_equal_256 one, other, target
	.insn	b 0x0b, 0b110, \one, \other, \target
	.endm

# void *memcpy(void *to, const void *from, size_t count)
	.globl	memcpy
	.type	memcpy, @function
	.p2align 2
memcpy:
	or	t0, a0, a1
	andi	t0, t0, 3
	mv	a3, a0
	bnez	t0, .Lcopy_unaligned
.Lcopy_words:
	li	t0, 32
	bltu	a2, t0, .Lcopy_tail
	andi	t1, a2, 3
	bnez	t1, .Lcopy_32
	# Whole words: the last 32 bytes are copied at once, with what they share with those before.
	addi	a2, a2, -32
	beqz	a2, .Lcopy_last
	add	t1, a1, a2
	add	t2, a3, a2
	bgeu	t0, a2, .Lcopy_two
.Lcopy_more:
	copy_256	a3, a1
	addi	a2, a2, -32
	addi	a1, a1, 32
	addi	a3, a3, 32
	bltu	t0, a2, .Lcopy_more
.Lcopy_two:
	copy_256	a3, a1
	copy_256	t2, t1
	ret
.Lcopy_last:
	copy_256	a3, a1
	ret
.Lcopy_32:
	copy_256	a3, a1
	addi	a2, a2, -32
	addi	a1, a1, 32
	addi	a3, a3, 32
	bgeu	a2, t0, .Lcopy_32
.Lcopy_tail:
	andi	t0, a2, 16
	beqz	t0, .Lcopy_8
	lw	t1, 0(a1)
	lw	t2, 4(a1)
	lw	t3, 8(a1)
	lw	t4, 12(a1)
	sw	t1, 0(a3)
	sw	t2, 4(a3)
	sw	t3, 8(a3)
	sw	t4, 12(a3)
	addi	a1, a1, 16
	addi	a3, a3, 16
.Lcopy_8:
	andi	t0, a2, 8
	beqz	t0, .Lcopy_4
	lw	t1, 0(a1)
	lw	t2, 4(a1)
	sw	t1, 0(a3)
	sw	t2, 4(a3)
	addi	a1, a1, 8
	addi	a3, a3, 8
.Lcopy_4:
	andi	t0, a2, 4
	beqz	t0, .Lcopy_rest
	lw	t1, 0(a1)
	sw	t1, 0(a3)
	addi	a1, a1, 4
	addi	a3, a3, 4
.Lcopy_rest:
	andi	a2, a2, 3
	beqz	a2, .Lcopy_end
.Lcopy_byte:
	lbu	t1, 0(a1)
	addi	a2, a2, -1
	sb	t1, 0(a3)
	addi	a1, a1, 1
	addi	a3, a3, 1
	bnez	a2, .Lcopy_byte
.Lcopy_end:
	ret

.Lcopy_unaligned:
	li	t0, 12
	bgeu	a2, t0, .Lcopy_align
	bnez	a2, .Lcopy_byte
	ret
.Lcopy_align:
	# Up to three bytes until the target is aligned.
	andi	t0, a3, 3
	beqz	t0, .Lcopy_aligned_target
.Lcopy_head:
	lbu	t1, 0(a1)
	addi	a1, a1, 1
	sb	t1, 0(a3)
	addi	a3, a3, 1
	addi	a2, a2, -1
	andi	t0, a3, 3
	bnez	t0, .Lcopy_head
.Lcopy_aligned_target:
	andi	t0, a1, 3
	beqz	t0, .Lcopy_words
	# Each word of the target comes from two of the source, and so do each 32 bytes.
	sub	a1, a1, t0
	li	t6, 32
	bltu	a2, t6, .Lshift_words
	lui	t2, %hi(.Lshifts - 64)
	addi	t2, t2, %lo(.Lshifts - 64)
	slli	t3, t0, 6
	add	t2, t2, t3
	addi	t3, t2, 32
	# Below the stack nothing is kept.
	addi	t4, sp, -32
.Lshift_32:
	shift_right_256	a3, a1, t2
	addi	a1, a1, 32
	shift_left_256	t4, a1, t3
	or_256	a3, a3, t4
	addi	a2, a2, -32
	addi	a3, a3, 32
	bgeu	a2, t6, .Lshift_32
	bnez	a2, .Lshift_words
	ret
.Lshift_words:
	# By t2 and t3 bits.
	slli	t2, t0, 3
	neg	t3, t2
	lw	t1, 0(a1)
	li	t6, 16
	bltu	a2, t6, .Lshift_4
.Lshift_16:
	lw	t4, 4(a1)
	srl	t1, t1, t2
	sll	t5, t4, t3
	or	t1, t1, t5
	sw	t1, 0(a3)
	lw	t1, 8(a1)
	srl	t4, t4, t2
	sll	t5, t1, t3
	or	t4, t4, t5
	sw	t4, 4(a3)
	lw	t4, 12(a1)
	srl	t1, t1, t2
	sll	t5, t4, t3
	or	t1, t1, t5
	sw	t1, 8(a3)
	lw	t1, 16(a1)
	srl	t4, t4, t2
	sll	t5, t1, t3
	or	t4, t4, t5
	sw	t4, 12(a3)
	addi	a2, a2, -16
	addi	a1, a1, 16
	addi	a3, a3, 16
	bgeu	a2, t6, .Lshift_16
.Lshift_4:
	li	t6, 4
	bltu	a2, t6, .Lshift_end
.Lshift_word:
	lw	t4, 4(a1)
	srl	t1, t1, t2
	sll	t5, t4, t3
	or	t1, t1, t5
	sw	t1, 0(a3)
	mv	t1, t4
	addi	a2, a2, -4
	addi	a1, a1, 4
	addi	a3, a3, 4
	bgeu	a2, t6, .Lshift_word
.Lshift_end:
	add	a1, a1, t0
	bnez	a2, .Lcopy_byte
	ret

	# For a source one, two or three bytes behind a word: bits to the right, and what is left of 256.
	.section	.rodata
	.p2align 2
.Lshifts:
	.word	8, 0, 0, 0, 0, 0, 0, 0, 248, 0, 0, 0, 0, 0, 0, 0
	.word	16, 0, 0, 0, 0, 0, 0, 0, 240, 0, 0, 0, 0, 0, 0, 0
	.word	24, 0, 0, 0, 0, 0, 0, 0, 232, 0, 0, 0, 0, 0, 0, 0
	.text

# void *memmove(void *to, const void *from, size_t count)
	.globl	memmove
	.type	memmove, @function
	.p2align 2
memmove:
	# As a copy if both are apart.
	sub	t0, a0, a1
	sub	t1, a1, a0
	bltu	t0, a2, .Lback
	bgeu	t1, a2, memcpy
	# The target begins before the source: forwards, word by word if both are aligned.
	or	t0, a0, a1
	andi	t0, t0, 3
	mv	a3, a0
	bnez	t0, .Lcopy_byte
	li	t0, 4
	bltu	a2, t0, .Lcopy_byte
.Lforth_word:
	lw	t1, 0(a1)
	addi	a2, a2, -4
	sw	t1, 0(a3)
	addi	a1, a1, 4
	addi	a3, a3, 4
	bgeu	a2, t0, .Lforth_word
	bnez	a2, .Lcopy_byte
	ret
.Lback:
	add	a1, a1, a2
	add	a3, a0, a2
	xor	t0, a3, a1
	andi	t0, t0, 3
	bnez	t0, .Lback_bytes
.Lback_align:
	andi	t0, a3, 3
	beqz	t0, .Lback_words
	beqz	a2, .Lback_end
	addi	a1, a1, -1
	addi	a3, a3, -1
	lbu	t1, 0(a1)
	addi	a2, a2, -1
	sb	t1, 0(a3)
	j	.Lback_align
.Lback_words:
	li	t0, 16
	bltu	a2, t0, .Lback_4
.Lback_16:
	lw	t1, -4(a1)
	lw	t2, -8(a1)
	lw	t3, -12(a1)
	lw	t4, -16(a1)
	sw	t1, -4(a3)
	sw	t2, -8(a3)
	sw	t3, -12(a3)
	sw	t4, -16(a3)
	addi	a2, a2, -16
	addi	a1, a1, -16
	addi	a3, a3, -16
	bgeu	a2, t0, .Lback_16
.Lback_4:
	li	t0, 4
	bltu	a2, t0, .Lback_bytes
.Lback_word:
	lw	t1, -4(a1)
	addi	a2, a2, -4
	sw	t1, -4(a3)
	addi	a1, a1, -4
	addi	a3, a3, -4
	bgeu	a2, t0, .Lback_word
.Lback_bytes:
	beqz	a2, .Lback_end
.Lback_byte:
	lbu	t1, -1(a1)
	addi	a2, a2, -1
	sb	t1, -1(a3)
	addi	a1, a1, -1
	addi	a3, a3, -1
	bnez	a2, .Lback_byte
.Lback_end:
	ret

# void *memset(void *to, int value, size_t count)
	.globl	memset
	.type	memset, @function
	.p2align 2
memset:
	mv	a3, a0
	li	t0, 8
	bltu	a2, t0, .Lset_bytes
	andi	a1, a1, 255
	beqz	a1, .Lset_align
	slli	t1, a1, 8
	or	a1, a1, t1
	slli	t1, a1, 16
	or	a1, a1, t1
.Lset_align:
	andi	t0, a3, 3
	beqz	t0, .Lset_words
	sb	a1, 0(a3)
	addi	a3, a3, 1
	addi	a2, a2, -1
	j	.Lset_align
.Lset_words:
	li	t0, 32
	bltu	a2, t0, .Lset_4
	bnez	a1, .Lset_32
.Lclear_32:
	clear_256	a3
	addi	a2, a2, -32
	addi	a3, a3, 32
	bgeu	a2, t0, .Lclear_32
	j	.Lset_4
.Lset_32:
	sw	a1, 0(a3)
	sw	a1, 4(a3)
	sw	a1, 8(a3)
	sw	a1, 12(a3)
	sw	a1, 16(a3)
	sw	a1, 20(a3)
	sw	a1, 24(a3)
	sw	a1, 28(a3)
	addi	a2, a2, -32
	addi	a3, a3, 32
	bgeu	a2, t0, .Lset_32
.Lset_4:
	li	t0, 4
	bltu	a2, t0, .Lset_bytes
.Lset_word:
	sw	a1, 0(a3)
	addi	a2, a2, -4
	addi	a3, a3, 4
	bgeu	a2, t0, .Lset_word
.Lset_bytes:
	beqz	a2, .Lset_end
.Lset_byte:
	sb	a1, 0(a3)
	addi	a2, a2, -1
	addi	a3, a3, 1
	bnez	a2, .Lset_byte
.Lset_end:
	ret

# int memcmp(const void *one, const void *other, size_t count), also as bcmp
	.globl	memcmp
	.globl	bcmp
	.type	memcmp, @function
	.type	bcmp, @function
	.p2align 2
memcmp:
bcmp:
	or	t0, a0, a1
	andi	t0, t0, 3
	bnez	t0, .Lcompare_bytes
	li	t0, 32
.Lcompare_32:
	bltu	a2, t0, .Lcompare_rest
	branch_if_equal_256	a0, a1, .Lcompare_next
	# They differ within: the words tell where.
	j	.Lcompare_rest
.Lcompare_next:
	addi	a2, a2, -32
	addi	a0, a0, 32
	addi	a1, a1, 32
	bnez	a2, .Lcompare_32
	j	.Lcompare_equal
.Lcompare_rest:
	li	t0, 16
	bltu	a2, t0, .Lcompare_4
.Lcompare_16:
	lw	t1, 0(a0)
	lw	t2, 0(a1)
	lw	t3, 4(a0)
	lw	t4, 4(a1)
	bne	t1, t2, .Lcompare_last
	lw	t1, 8(a0)
	lw	t2, 8(a1)
	bne	t3, t4, .Lcompare_second
	lw	t3, 12(a0)
	lw	t4, 12(a1)
	bne	t1, t2, .Lcompare_third
	bne	t3, t4, .Lcompare_fourth
	addi	a2, a2, -16
	addi	a0, a0, 16
	addi	a1, a1, 16
	bgeu	a2, t0, .Lcompare_16
	beqz	a2, .Lcompare_equal
.Lcompare_4:
	li	t0, 4
	bltu	a2, t0, .Lcompare_bytes
.Lcompare_word:
	lw	t1, 0(a0)
	lw	t2, 0(a1)
	bne	t1, t2, .Lcompare_last
	addi	a2, a2, -4
	addi	a0, a0, 4
	addi	a1, a1, 4
	bgeu	a2, t0, .Lcompare_word
	beqz	a2, .Lcompare_equal
	j	.Lcompare_byte
.Lcompare_fourth:
	addi	a0, a0, 4
	addi	a1, a1, 4
.Lcompare_third:
	addi	a0, a0, 4
	addi	a1, a1, 4
.Lcompare_second:
	addi	a0, a0, 4
	addi	a1, a1, 4
.Lcompare_last:
	# The words differ: their first different byte decides.
	li	a2, 4
	j	.Lcompare_byte
.Lcompare_bytes:
	beqz	a2, .Lcompare_equal
.Lcompare_byte:
	lbu	t1, 0(a0)
	lbu	t2, 0(a1)
	bne	t1, t2, .Lcompare_different
	addi	a2, a2, -1
	addi	a0, a0, 1
	addi	a1, a1, 1
	bnez	a2, .Lcompare_byte
.Lcompare_equal:
	li	a0, 0
	ret
.Lcompare_different:
	sub	a0, t1, t2
	ret
