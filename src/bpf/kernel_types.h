/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel types that the BPF side looks into, by name only: libbpf fits every offset to the running
 * kernel (CO-RE). Writing them down here, instead of dumping the build machine's kernel, lets homeward be
 * built anywhere, on kernels without BTF too.
 */
#ifndef HW_BPF_KERNEL_TYPES_H
#define HW_BPF_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u64 hw_u64;
typedef __u32 hw_u32;
typedef __u16 hw_u16;
typedef __s64 hw_s64;
typedef __s32 hw_s32;
#ifndef NULL
#define NULL ((void *)0)
#endif

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024, BPF_F_INNER_MAP = 4096 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_AVAIL_DATA = 0 };

/* include/linux/sched.h */
#define PF_EXITING     0x00000004
#define PF_USER_WORKER 0x00004000
#define PF_KTHREAD     0x00200000
/* include/linux/mm.h */
#define VM_EXEC         0x00000004ull
#define VM_UFFD_MISSING 0x00000200ull
#define VM_UFFD_WP      0x00001000ull
/* include/uapi/linux/magic.h */
#define TMPFS_MAGIC      0x01021994ull
#define FUSE_SUPER_MAGIC 0x65735546ull
/* arch/x86/include/asm/segment.h */
#define USER_CS 0x33

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
	union {
		__u16 cs;
		__u64 csx;
	};
	unsigned long flags, sp;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
	void *s_bdev;
};

struct inode {
	unsigned long i_ino;
	long long i_size;
	__s64 i_mtime_sec;
	__u32 i_mtime_nsec;
	__u32 i_generation;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

/* Nothing but eight bytes that are a number to the verifier: see kernel_word. */
struct timespec64 {
	__s64 tv_sec;
};

/* include/linux/maple_tree.h */
struct maple_tree {
	unsigned int ma_flags;
	void *ma_root;
};
struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
};
struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
};
enum maple_type { maple_leaf_64 = 1, maple_range_64 = 2, maple_arange_64 = 3 };

struct seqcount {
	unsigned int sequence;
};

struct mm_struct {
	struct {
		void *vdso;
	} context;
	struct maple_tree mm_mt;
	struct seqcount mm_lock_seq;
	int map_count;
};
/* mm_struct.flags: a word until 6.17, then a bitmap in a struct. */
struct mm_struct___word {
	unsigned long flags;
};
typedef struct {
	unsigned long __mm_flags[1];
} mm_flags_t;
struct mm_struct___bitmap {
	mm_flags_t flags;
};

typedef struct {
	__u32 val;
} kuid_t;
typedef struct {
	__u32 val;
} kgid_t;
struct cred {
	kuid_t uid, suid, euid;
	kgid_t gid, sgid, egid;
};

typedef struct refcount_struct {
	struct {
		int counter;
	} refs;
} refcount_t;

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
	refcount_t vm_refcnt;
};

struct signal_struct {
	struct {
		int counter;
	} live;
};

struct thread_struct {
	unsigned long fsbase;
};

struct task_struct {
	unsigned int flags;
	int pid, tgid;
	struct mm_struct *mm;
	__u64 start_boottime;
	__u32 self_exec_id;
	const struct cred *real_cred;
	struct signal_struct *signal;
	struct thread_struct thread;
};

struct linux_binprm;

struct bpf_map {
	__u32 id;
};

#pragma clang attribute pop

/* Contexts: their layout is fixed by the kernel's ABI, nothing to fit. */
struct bpf_perf_event_data {
	struct {
		unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		    cs, flags, sp, ss;
	} regs;
	__u64 sample_period;
	__u64 addr;
};

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

struct bpf_task_work {
	__u64 __opaque;
} __attribute__((aligned(8)));
struct bpf_dynptr {
	__u64 __opaque[2];
} __attribute__((aligned(8)));
struct bpf_iter_task_vma {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

typedef int (*bpf_task_work_callback_t)(struct bpf_map *map, void *key, void *value);

#endif
