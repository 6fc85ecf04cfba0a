// SPDX-License-Identifier: GPL-2.0
/*
 * The memory functions that compilers call by themselves, for images and
 * objects that are linked without the kernel's. Weak: where both are linked,
 * the kernel's position independent aliases (__pi_memcpy, ...) win.
 */
#include <linux/compiler.h>
#include <linux/types.h>

#undef memcpy
#undef memmove
#undef memset
#undef memcmp

void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int c, size_t len);
int memcmp(const void *a, const void *b, size_t len);
int bcmp(const void *a, const void *b, size_t len);

__weak void *memcpy(void *dst, const void *src, size_t len)
{
	void *d = dst;

	asm volatile("rep movsb" : "+D" (d), "+S" (src), "+c" (len) : : "memory");
	return dst;
}

__weak void *memmove(void *dst, const void *src, size_t len)
{
	if ((unsigned long)dst - (unsigned long)src >= len)
		return memcpy(dst, src, len);

	/* The destination starts inside the source: from the end. */
	void *d = dst + len - 1;
	const void *s = src + len - 1;

	asm volatile("std; rep movsb; cld"
		     : "+D" (d), "+S" (s), "+c" (len) : : "memory");
	return dst;
}

__weak void *memset(void *dst, int c, size_t len)
{
	void *d = dst;

	asm volatile("rep stosb" : "+D" (d), "+c" (len) : "a" (c) : "memory");
	return dst;
}

__weak int memcmp(const void *a, const void *b, size_t len)
{
	const u8 *p = a, *q = b;

	for (; len; len--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

__weak int bcmp(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len);
}
