// SPDX-License-Identifier: GPL-2.0
// zsmalloc frees in bulk: zsmalloc_bulk.c.inc. How it finds the class of an object differs
// between versions.

@bulk@
identifier src;
position p;
@@
+#include "zsmalloc_class.c.inc"
+
+#include "zsmalloc_bulk.c.inc"
+
 static void zs_object_copy@p(struct size_class *class, unsigned long dst,
 			     unsigned long src)
 { ... }
