// SPDX-License-Identifier: GPL-2.0
// Defer freeing the entries of freed swap slots to a drain (zswap_drain.c.inc). Until
// then, the dead entries stay in the tree and on the LRU. Swap marks slots dead when it
// frees them (zswap_push.c.inc), and cancels the deferred frees before it allocates the
// slots again (zswap_help.c.inc).

@drain@
position p;
@@
+#include "zswap_drain.c.inc"
+
 static void zswap_invalidate_few@p(...) { ... }

@push@
position p;
@@
 void zswap_forget_range@p(...) { ... }
+
+#include "zswap_push.c.inc"
+
+#include "zswap_help.c.inc"

@range@
typedef swp_entry_t;
identifier swp, nr, tree;
position p;
@@
 void zswap_invalidate_range@p(swp_entry_t swp, unsigned int nr)
 {
 	...
 	tree = swap_zswap_tree(swp);
-	if (!xa_empty(tree))
+	zswap_check_in_use(swp, nr);
+	if (xa_empty(tree))
+		return;
+	/* If disabled, avoid the cost of a refused push. */
+	if (!READ_ONCE(zswap_deferred_invalidate) || !zswap_push(swp, nr))
 		zswap_invalidate_now(tree, swp_offset(swp), nr);
 }

// Dead entries must not cause stores to be refused.
@limits@
typedef bool;
identifier cur_pages, max_pages;
position p;
@@
 static bool zswap_check_limits@p(void)
 {
 	unsigned long cur_pages = zswap_total_pages();
 	unsigned long max_pages = zswap_max_pages();
+	unsigned long limit = max_pages;
+
+	if (zswap_pool_reached_full)
+		limit = zswap_accept_thr_pages() + 1;
+	if (cur_pages >= limit && zswap_help(ZSWAP_HELP_MAX)) {
+		cur_pages = zswap_total_pages();
+		if (cur_pages < limit)
+			zswap_limit_helps++;
+	}

 	...
 }

@may_store@
expression objcg;
position p;
@@
-obj_cgroup_may_zswap@p(objcg)
+zswap_may_store(objcg)

// Flush pending entries, because the old pool stays until its last entry is freed.
@compressor@
expression pool;
position p;
@@
 zswap_compressor_param_set(...)
 {
 	...
-	if (pool)
+	if (pool) {
 		percpu_ref_kill@p(&pool->ref);
+		zswap_flush();
+	}
 	...
 }

@load@
identifier folio, entry, tree, offset, swp;
position p;
@@
 int zswap_load@p(struct folio *folio)
 {
 	swp_entry_t swp = folio->swap;
 	...
 	entry = xa_load(tree, offset);
 	if (!entry)
 		return -ENOENT;
+	VM_WARN_ON_ONCE(zswap_is_dead(swp));

 	...
 	xa_erase(tree, offset);
-	zswap_entry_free(entry);
+	zswap_entry_free_deferred(entry);
 	...
 }

@swapon@
identifier type, nr_pages, trees;
position p;
@@
 int zswap_swapon@p(int type, unsigned long nr_pages)
 {
 	...
 	zswap_trees[type] = trees;
+	zswap_defer_swapon(type, nr_pages);
 	return 0;
 }

@swapoff@
identifier type, trees;
position p;
@@
 void zswap_swapoff@p(int type)
 {
 	...
 	if (!trees)
 		return;
+	zswap_defer_swapoff(type);

 	...
 }

@debugfs@
position p;
@@
+#include "zswap_check.c.inc"
+
+#include "zswap_debugfs.c.inc"
+
 static int zswap_debugfs_init@p(void)
 {
 	...
 	debugfs_create_file("stored_incompressible_pages", ...);
+	zswap_defer_debugfs_init();

 	return 0;
 }

@setup@
position p;
@@
 zswap_setup(...)
 {
 	<...
+	if (zswap_defer_setup()) {
+		list_lru_destroy(&zswap_list_lru);
+		goto lru_fail;
+	}
 	shrinker_register@p(zswap_shrinker);
 	...>
 }
