// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: a security module that forbids a UID to search its keyrings. It is a BPF program on
 * the hook key_permission, which comes and goes while the pair exists.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenarios.h"

#define BTF_FILE	"/sys/kernel/btf/vmlinux"
#define MAX_BTF		(64 << 20)
#define KEY_NEED_SEARCH	4	/* of enum key_need_perm, in <linux/key.h> */
#define POSSESSED	1	/* the bit that a key_ref_t has beside the pointer */

static struct {
	const char *types, *end;
	const char *names;
} btf;

static void read_btf(void)
{
	char *data = malloc(MAX_BTF);
	const struct btf_header *header = (const void *)data;
	int fd = open(BTF_FILE, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t ret;

	if (!data || fd < 0)
		die(BTF_FILE);
	while ((ret = read(fd, data + size, MAX_BTF - size)) > 0)
		size += ret;
	close(fd);
	if (ret < 0 || size < sizeof(*header) || header->magic != BTF_MAGIC)
		die(BTF_FILE);
	btf.types = data + header->hdr_len + header->type_off;
	btf.end = btf.types + header->type_len;
	btf.names = data + header->hdr_len + header->str_off;
}

/* What follows a type, by its kind. */
static size_t size_of_more(const struct btf_type *type)
{
	size_t nr = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
		return sizeof(__u32);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return nr * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return nr * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return nr * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return nr * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return nr * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	default:
		return 0;
	}
}

static const struct btf_type *find_type(unsigned int kind, const char *name, __u32 *id)
{
	const char *at = btf.types;
	const struct btf_type *type;

	/* The first one in the file is 1, as void is 0. */
	for (*id = 1; at < btf.end; ++*id) {
		type = (const void *)at;
		if (BTF_INFO_KIND(type->info) == kind && !strcmp(btf.names + type->name_off, name))
			return type;
		at += sizeof(*type) + size_of_more(type);
	}
	errno = ENOENT;
	die(name);
}

static int offset_of(const char *structure, const char *member)
{
	__u32 id;
	const struct btf_type *type = find_type(BTF_KIND_STRUCT, structure, &id);
	const struct btf_member *members = (const void *)(type + 1);

	for (size_t i = 0; i < BTF_INFO_VLEN(type->info); i++)
		if (!strcmp(btf.names + members[i].name_off, member))
			return members[i].offset / 8;
	errno = ENOENT;
	die(member);
}

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

#define INSN(c, dst, src, offset, immediate) \
	((struct bpf_insn){ .code = (c), .dst_reg = BPF_REG_##dst, .src_reg = BPF_REG_##src, \
			    .off = (offset), .imm = (immediate) })
#define LOAD(size, dst, src, offset)	INSN(BPF_LDX | BPF_MEM | BPF_##size, dst, src, offset, 0)
#define MOVE(dst, src)			INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define SET(dst, value)			INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)
#define ADD(dst, value)			INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value)
#define AND(dst, value)			INSN(BPF_ALU64 | BPF_AND | BPF_K, dst, 0, 0, value)
#define CALL(function)			INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT()				INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* Beyond the next two instructions, which allow it and end the program. */
#define GO_ON_IF(reg, value)		INSN(BPF_JMP32 | BPF_JEQ | BPF_K, reg, 0, 2, value)

/* Forbid @uid, whoever the current task may be, to search what has the serial @id. */
static int load_program(uid_t uid, int id)
{
	const struct bpf_insn program[] = {
		MOVE(6, 1),
		LOAD(DW, 1, 6, 16),		/* need_perm */
		GO_ON_IF(1, KEY_NEED_SEARCH),
		SET(0, 0),
		EXIT(),
		LOAD(DW, 1, 6, 8),		/* cred */
		LOAD(W, 1, 1, offset_of("cred", "uid")),
		GO_ON_IF(1, uid),
		SET(0, 0),
		EXIT(),
		MOVE(1, 6),			/* key_ref, which is no pointer for BPF */
		SET(2, 0),
		MOVE(3, 10),
		ADD(3, -8),
		CALL(BPF_FUNC_get_func_arg),
		LOAD(DW, 3, 10, -8),
		AND(3, ~POSSESSED),
		ADD(3, offset_of("key", "serial")),
		MOVE(1, 10),
		ADD(1, -16),
		SET(2, sizeof(id)),
		CALL(BPF_FUNC_probe_read_kernel),
		LOAD(W, 1, 10, -16),
		GO_ON_IF(1, id),
		SET(0, 0),
		EXIT(),
		SET(0, -EACCES),
		EXIT(),
	};
	static char log[4096];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_LSM,
		.expected_attach_type = BPF_LSM_MAC,
		.insns = (long)program,
		.insn_cnt = ARRAY_SIZE(program),
		.license = (long)"GPL",
		.log_buf = (long)log,
		.log_size = sizeof(log),
		.log_level = 1,
	};
	int fd;

	find_type(BTF_KIND_FUNC, "bpf_lsm_key_permission", &attr.attach_btf_id);
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0) {
		printf("%s", log);
		die("the BPF program");
	}
	return fd;
}

/* It is detached when what is returned is closed. */
static int attach(uid_t uid, int id)
{
	int program = load_program(uid, id);
	union bpf_attr attr = { .link_create.prog_fd = program,
				.link_create.attach_type = BPF_LSM_MAC };
	int link = bpf(BPF_LINK_CREATE, &attr);

	if (link < 0)
		die("the hook key_permission");
	close(program);
	return link;
}

static void fill(void)
{
	shared->key[0] = answer_key(get_keyring_id(USER, 0), "@u");
	shared->key[1] = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	shared->key[2] = answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	shared->key[3] = answer_key(add_user_key("in u", USER), "add to @u");
}

static void ask(void)
{
	in_child(ask_user_keyrings);
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	answer_key(request_key("user", "in u", NULL, 0), "request in u");
	answer_key(search(USER_SESSION, "in us", 0), "search @us");
	answer_key(search(USER, "in u", 0), "search @u");
	answer_key(request_key("user", "new", "make", 0), "construct new");
}

static void ask_forbidden(void)
{
	ask();
	expect(get_keyring_id(USER, 0) == -ENOKEY && get_keyring_id(USER_SESSION, 0) == -ENOKEY,
	       "a pair that must not be searched should be answered by ENOKEY");
}

static void ask_allowed(void)
{
	ask();
	expect(get_keyring_id(USER, 0) == shared->key[0] &&
	       get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "the pair should be as before");
	expect(request_key("user", "in us", NULL, 0) == shared->key[2] &&
	       request_key("user", "in u", NULL, 0) == shared->key[3],
	       "the keys should be found as before");
}

/* Another's is forbidden, so this one has its pair, and makes it now. */
static void ask_as_other(void)
{
	ask_user_keyrings();
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
}

static void forbid(int (*which)(void))
{
	uid_t uid = fresh_uid();
	int link;

	read_btf();
	as_uid(uid, fill);
	/* On record, if there are records. */
	as_uid(uid, ask_allowed);
	link = attach(uid, which());
	say("forbidden");
	as_uid(uid, ask_forbidden);
	as_uid(uid, ask_forbidden);
	as_uid(fresh_uid(), ask_as_other);
	close(link);
	say("allowed");
	as_uid(uid, ask_allowed);
	proc_key_users(uid, 5);
}

static int the_user_session_keyring(void)
{
	return shared->key[1];
}

static int the_user_keyring(void)
{
	return shared->key[0];
}

static int the_register(void)
{
	return register_with(shared->key[1]);
}

static void forbid_us(void)
{
	forbid(the_user_session_keyring);
}

static void forbid_u(void)
{
	forbid(the_user_keyring);
}

static void forbid_register(void)
{
	forbid(the_register);
}

const struct scenario lsm_scenarios[] = {
	{ "an LSM forbids the user session keyring", forbid_us },
	{ "an LSM forbids the user keyring", forbid_u },
	{ "an LSM forbids the register", forbid_register },
	{ }
};
