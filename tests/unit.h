/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_UNIT_H
#define CH_TESTS_UNIT_H

/* cmocka and what it needs included before it; a test file is a list of small functions and one table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define assert_span_equal(span, bytes, size)                    \
	do {                                                    \
		assert_int_equal((span).n, (size));             \
		assert_memory_equal((span).p, (bytes), (size)); \
	} while (0)

#endif
