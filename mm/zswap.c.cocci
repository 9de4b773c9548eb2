// SPDX-License-Identifier: GPL-2.0
// Free zswap entries in batches (zswap_free.c.inc), including those of slots that swap
// frees (zswap_invalidate.c.inc), and the stale entry of a page that is now zero-filled
// (zswap_forget.c.inc).

@insert@
position p;
@@
 static void zswap_entry_free@p(struct zswap_entry *entry) { ... }
+
+#include "zswap_free.c.inc"
+
+#include "zswap_invalidate.c.inc"
+
+#include "zswap_forget.c.inc"

@invalidate@
position p;
@@
-void zswap_invalidate@p(...) { ... }

@invalidate_range@
position p;
@@
+#include "zswap_invalidate_range.c.inc"
+
 int zswap_swapon@p(...) { ... }
