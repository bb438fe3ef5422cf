// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>

/* Has to hold all variants of `Event` in stats.rs. */
#define NR_COUNTERS 16

static DEFINE_PER_CPU(u64[NR_COUNTERS], counters);

void rust_helper_counter_add(unsigned int counter, unsigned long count)
{
	this_cpu_add(counters[counter % NR_COUNTERS], count);
}

void rust_helper_counter_inc(unsigned int counter)
{
	this_cpu_inc(counters[counter % NR_COUNTERS]);
}

u64 rust_helper_counter_sum(unsigned int counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(counters, cpu)[counter % NR_COUNTERS]);
	return sum;
}
