// SPDX-License-Identifier: GPL-2.0
// zsmalloc frees in bulk, and later: zsmalloc_bulk.c.inc, zsmalloc_defer.c.inc.

@bulk@
identifier src;
position p;
@@
+#include "zsmalloc_bulk.c.inc"
+
+#include "zsmalloc_defer.c.inc"
+
 static void zs_object_copy@p(struct size_class *class, unsigned long dst,
 			     unsigned long src)
 { ... }

// The shrinker must not wait for a grace period, as a flush does.
@compact@
identifier pool;
position p;
@@
-unsigned long zs_compact(struct zs_pool *pool)
+static unsigned long zs_compact_classes(struct zs_pool *pool)
 {
 	...
 	atomic_long_add@p(..., &pool->stats.pages_compacted);
 	...
 }
+
+#include "zsmalloc_compact.c.inc"

@shrink@
identifier pages, pool;
position p;
@@
 zs_shrinker_scan(...)
 {
 	...
-	pages = zs_compact@p(pool);
+	zs_help_deferred(pool);
+	pages = zs_compact_classes(pool);
 	...
 }

@create@
identifier pool;
position p;
@@
 zs_create_pool(...)
 {
 	...
 	zs_pool_stat_create@p(pool, ...);
+	if (zs_defer_init(pool))
+		goto err;
 	...
 }

@destroy@
identifier pool;
position p;
@@
 zs_destroy_pool(struct zs_pool *pool)
 {
 	...
 	zs_unregister_shrinker(pool);
+	zs_defer_destroy(pool);
 	zs_flush_migration@p(pool);
 	...
 }
