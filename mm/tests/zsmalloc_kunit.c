// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of bulk free in zsmalloc. */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/numa.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/zsmalloc.h>

#define NR_OBJECTS	2000

struct owner {
	struct zs_pool *pool;
	unsigned long handle[NR_OBJECTS];
	unsigned int size[NR_OBJECTS];
	struct rnd_state rnd;
	char buf[PAGE_SIZE];
};

static int zsmalloc_test_init(struct kunit *test)
{
	struct owner *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, o);
	o->pool = zs_create_pool("kunit");
	KUNIT_ASSERT_NOT_NULL(test, o->pool);
	prandom_seed_state(&o->rnd, 1);
	test->priv = o;
	return 0;
}

static void zsmalloc_test_exit(struct kunit *test)
{
	struct owner *o = test->priv;

	if (o && o->pool)
		zs_destroy_pool(o->pool);
}

/* Allocate object @i, and fill it with its index. */
static void fill(struct kunit *test, unsigned int i, unsigned int size)
{
	struct owner *o = test->priv;

	o->size[i] = size;
	o->handle[i] = zs_malloc(o->pool, size, GFP_KERNEL, NUMA_NO_NODE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(o->handle[i]));
	memset(o->buf, i, size);
	zs_obj_write(o->pool, o->handle[i], o->buf, size);
}

static void expect_content(struct kunit *test, unsigned int i)
{
	struct owner *o = test->priv;
	void *mem = zs_obj_read_begin(o->pool, o->handle[i], o->size[i], o->buf);
	void *wrong = memchr_inv(mem, (u8)i, o->size[i]);

	zs_obj_read_end(o->pool, o->handle[i], o->size[i], mem);
	KUNIT_EXPECT_NULL(test, wrong);
}

static unsigned int any_size(struct owner *o)
{
	/* Give at least one in 32 objects a page of its own. */
	if (prandom_u32_state(&o->rnd) % 32)
		return 1 + prandom_u32_state(&o->rnd) % PAGE_SIZE;
	return PAGE_SIZE;
}

static void shuffle(struct owner *o, unsigned int nr)
{
	unsigned int i, j;

	for (i = nr - 1; i; i--) {
		j = prandom_u32_state(&o->rnd) % (i + 1);
		swap(o->handle[i], o->handle[j]);
		swap(o->size[i], o->size[j]);
	}
}

/* Free all objects in any order. No page is left. */
static void z_bulk_all(struct kunit *test)
{
	static const unsigned int nr[] = {
		1, 2, 31, 32, 33, 63, 64, 65, ZS_BULK_MAX, ZS_BULK_MAX + 1, NR_OBJECTS
	};
	struct owner *o = test->priv;
	unsigned int i, n;

	zs_free_bulk(o->pool, o->handle, 0);
	for (n = 0; n < ARRAY_SIZE(nr); n++) {
		for (i = 0; i < nr[n]; i++)
			fill(test, i, any_size(o));
		KUNIT_EXPECT_GT(test, zs_get_total_pages(o->pool), 0);
		shuffle(o, nr[n]);
		zs_free_bulk(o->pool, o->handle, nr[n]);
		KUNIT_EXPECT_EQ(test, 0, zs_get_total_pages(o->pool));
	}
}

/* Free many objects when memory for sorting them is unavailable. */
static void z_bulk_no_memory(struct kunit *test)
{
#ifdef CONFIG_FAILSLAB
	struct owner *o = test->priv;
	unsigned int i;

	for (i = 0; i < NR_OBJECTS; i++)
		fill(test, i, any_size(o));
	shuffle(o, NR_OBJECTS);
	current->fail_nth = 1;
	zs_free_bulk(o->pool, o->handle, NR_OBJECTS);
	KUNIT_EXPECT_EQ(test, 0, current->fail_nth);
	current->fail_nth = 0;
	KUNIT_EXPECT_EQ(test, 0, zs_get_total_pages(o->pool));
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB");
#endif
}

/* Free many objects of one class, which drops the class lock in between. */
static void z_bulk_one_class(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned int i;

	for (i = 0; i < NR_OBJECTS; i++)
		fill(test, i, 100);
	shuffle(o, NR_OBJECTS);
	zs_free_bulk(o->pool, o->handle, NR_OBJECTS);
	KUNIT_EXPECT_EQ(test, 0, zs_get_total_pages(o->pool));
}

/* The remaining objects keep their content, and freed space can be allocated again. */
static void z_bulk_some(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long *freed = kunit_kcalloc(test, NR_OBJECTS / 2, sizeof(*freed), GFP_KERNEL);
	unsigned long pages;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, freed);
	for (i = 0; i < NR_OBJECTS; i++)
		fill(test, i, any_size(o));
	pages = zs_get_total_pages(o->pool);

	for (i = 0; i < NR_OBJECTS; i += 2)
		freed[i / 2] = o->handle[i];
	zs_free_bulk(o->pool, freed, NR_OBJECTS / 2);
	KUNIT_EXPECT_LT(test, zs_get_total_pages(o->pool), pages);
	for (i = 1; i < NR_OBJECTS; i += 2)
		expect_content(test, i);

	for (i = 0; i < NR_OBJECTS; i += 2)
		fill(test, i, o->size[i]);
	KUNIT_EXPECT_LE(test, zs_get_total_pages(o->pool), pages);
	for (i = 0; i < NR_OBJECTS; i++)
		expect_content(test, i);

	zs_free_bulk(o->pool, o->handle, NR_OBJECTS);
	KUNIT_EXPECT_EQ(test, 0, zs_get_total_pages(o->pool));
}

/* Bulk free keeps the fullness lists correct, so compaction still works. */
static void z_bulk_compact(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long *freed = kunit_kcalloc(test, NR_OBJECTS, sizeof(*freed), GFP_KERNEL);
	unsigned int i, nr = 0;

	KUNIT_ASSERT_NOT_NULL(test, freed);
	for (i = 0; i < NR_OBJECTS; i++)
		fill(test, i, 200);
	for (i = 0; i < NR_OBJECTS; i++)
		if (i % 4)
			freed[nr++] = o->handle[i];
	zs_free_bulk(o->pool, freed, nr);
	KUNIT_EXPECT_GT(test, zs_compact(o->pool), 0);
	for (i = 0; i < NR_OBJECTS; i += 4)
		expect_content(test, i);
	for (i = 0, nr = 0; i < NR_OBJECTS; i += 4)
		freed[nr++] = o->handle[i];
	zs_free_bulk(o->pool, freed, nr);
	KUNIT_EXPECT_EQ(test, 0, zs_get_total_pages(o->pool));
}

static struct kunit_case zsmalloc_cases[] = {
	KUNIT_CASE(z_bulk_all),
	KUNIT_CASE(z_bulk_no_memory),
	KUNIT_CASE(z_bulk_one_class),
	KUNIT_CASE(z_bulk_some),
	KUNIT_CASE(z_bulk_compact),
	{}
};

static struct kunit_suite zsmalloc_suite = {
	.name = "zsmalloc",
	.init = zsmalloc_test_init,
	.exit = zsmalloc_test_exit,
	.test_cases = zsmalloc_cases,
};

kunit_test_suite(zsmalloc_suite);

MODULE_DESCRIPTION("KUnit tests of bulk free in zsmalloc");
MODULE_LICENSE("GPL");
