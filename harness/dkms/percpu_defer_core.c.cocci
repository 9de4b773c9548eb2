// SPDX-License-Identifier: GPL-2.0
// One worker for an instance: two would wait for each other in zs_free() of a stock kernel.
@@
expression core;
@@
 percpu_defer_work(...)
 {
 ...
-min(num_online_cpus(), core->mode->stripes)
+1
 ...
 }
