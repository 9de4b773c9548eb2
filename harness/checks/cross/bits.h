/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Warn about an atomic bit operation if the compiler cannot prove that its bit number
 * fits into an int. "make cross" includes this file before each source file that it
 * checks. The number is a long on x86, an unsigned long on sparc64, an unsigned int on
 * arm64, s390 and loongarch, and an int on riscv and parisc. The conversion to an int
 * silently drops the upper half of an unsigned long.
 */
#include <linux/bitops.h>
#include <linux/limits.h>

#ifdef CROSS_PR_FMT
/* The source defines its own pr_fmt before its first #include. */
#undef pr_fmt
#endif

__attribute__((warning("bit number may exceed INT_MAX; "
		       "pass a word and a bit below BITS_PER_LONG")))
void cross_bit_above_int(void);

#define cross_bit(op, nr, ...)						\
({									\
	__typeof__((nr) + 0) __cross_nr = (nr);				\
									\
	if (sizeof(__cross_nr) > sizeof(int) &&				\
	    (unsigned long)__cross_nr > INT_MAX)			\
		cross_bit_above_int();					\
	op(__cross_nr, __VA_ARGS__);					\
})

#define set_bit(nr, ...) cross_bit(set_bit, nr, __VA_ARGS__)
#define clear_bit(nr, ...) cross_bit(clear_bit, nr, __VA_ARGS__)
#define change_bit(nr, ...) cross_bit(change_bit, nr, __VA_ARGS__)
#define test_and_set_bit(nr, ...) cross_bit(test_and_set_bit, nr, __VA_ARGS__)
#define test_and_clear_bit(nr, ...) cross_bit(test_and_clear_bit, nr, __VA_ARGS__)
#define test_and_change_bit(nr, ...) cross_bit(test_and_change_bit, nr, __VA_ARGS__)
#define test_and_set_bit_lock(nr, ...)					\
	cross_bit(test_and_set_bit_lock, nr, __VA_ARGS__)
#define clear_bit_unlock(nr, ...) cross_bit(clear_bit_unlock, nr, __VA_ARGS__)
