// SPDX-License-Identifier: GPL-2.0

#include <linux/hash.h>
#include <linux/rhashtable.h>

/*
 * The parameters have to be constant where the inline functions of
 * rhashtable.h are expanded, so they are the same for every table.
 *
 * Keys are addresses, identifiers that the kernel hands out itself, or hashes
 * with a secret: nobody outside chooses them, and a multiplicative hash spreads
 * them well.
 */
static u32 table_hash(const void *data, u32 len, u32 seed)
{
	const u64 *key = data;

	return hash_64(key[0] + key[1] * GOLDEN_RATIO_64 + seed, 32);
}

static int table_compare(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct rust_helper_node *node = obj;
	const u64 *key = arg->key;

	return node->key[0] != key[0] || node->key[1] != key[1];
}

static const struct rhashtable_params table_params = {
	.head_offset = offsetof(struct rust_helper_node, head),
	.key_offset = offsetof(struct rust_helper_node, key),
	.key_len = sizeof_field(struct rust_helper_node, key),
	.hashfn = table_hash,
	.obj_cmpfn = table_compare,
	.automatic_shrinking = true,
};

unsigned int rust_helper_table_buckets(struct rhashtable *ht)
{
	unsigned int size;

	rcu_read_lock();
	size = rht_dereference_rcu(ht->tbl, ht)->size;
	rcu_read_unlock();
	return size;
}

int rust_helper_table_init(struct rhashtable *ht)
{
	return rhashtable_init(ht, &table_params);
}

/* Returns what is there already by the same key, or an error. */
struct rhash_head *rust_helper_table_insert(struct rhashtable *ht, struct rhash_head *head)
{
	return rhashtable_lookup_get_insert_fast(ht, head, table_params);
}

struct rhash_head *rust_helper_table_lookup(struct rhashtable *ht,
					    const u64 *key)
{
	return rhashtable_lookup(ht, key, table_params);
}

int rust_helper_table_remove(struct rhashtable *ht, struct rhash_head *head)
{
	return rhashtable_remove_fast(ht, head, table_params);
}

int rust_helper_table_replace(struct rhashtable *ht, struct rhash_head *old,
			      struct rhash_head *head)
{
	return rhashtable_replace_fast(ht, old, head, table_params);
}

void rust_helper_table_walk_start(struct rhashtable_iter *iter)
{
	rhashtable_walk_start(iter);
}
