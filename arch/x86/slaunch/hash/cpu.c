// SPDX-License-Identifier: GPL-2.0
/* Choice of the SHA extensions, and the traces they leave in registers. */
#include "freestanding.h"

bool slaunch_hash_ni;

#define CPUID_1_ECX_SSSE3	(1U << 9)
#define CPUID_1_ECX_SSE41	(1U << 19)
#define CPUID_7_EBX_SHA		(1U << 29)

static inline void cpuid_count(u32 leaf, u32 *a, u32 *b, u32 *c)
{
	u32 d;

	*a = leaf;
	*c = 0;
	asm volatile("cpuid" : "+a" (*a), "=b" (*b), "+c" (*c), "=d" (d));
}

void slaunch_hash_detect(void)
{
	const u32 sse = CPUID_1_ECX_SSSE3 | CPUID_1_ECX_SSE41;
	u32 a, b, c;

	cpuid_count(0, &a, &b, &c);
	if (a < 7)
		return;
	cpuid_count(1, &a, &b, &c);
	if ((c & sse) != sse)
		return;
	cpuid_count(7, &a, &b, &c);
	slaunch_hash_ni = b & CPUID_7_EBX_SHA;
}

void slaunch_hash_wipe(void)
{
	if (!slaunch_hash_ni)
		return;

	/*
	 * Assembler by hand, without clobbers: the compiler does not know these
	 * registers here (-mno-sse), so it keeps nothing in them.
	 */
	asm volatile("pxor %xmm0, %xmm0\n\t"
		     "pxor %xmm1, %xmm1\n\t"
		     "pxor %xmm2, %xmm2\n\t"
		     "pxor %xmm3, %xmm3\n\t"
		     "pxor %xmm4, %xmm4\n\t"
		     "pxor %xmm5, %xmm5\n\t"
		     "pxor %xmm6, %xmm6\n\t"
		     "pxor %xmm7, %xmm7\n\t"
		     "pxor %xmm8, %xmm8\n\t"
		     "pxor %xmm9, %xmm9\n\t"
		     "pxor %xmm10, %xmm10\n\t"
		     "pxor %xmm11, %xmm11\n\t"
		     "pxor %xmm12, %xmm12\n\t"
		     "pxor %xmm13, %xmm13\n\t"
		     "pxor %xmm14, %xmm14\n\t"
		     "pxor %xmm15, %xmm15");
}
