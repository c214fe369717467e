/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Loading the kernel side: which object fits this kernel, its options, its maps, its rings, its hooks, and
 * the iterator that lists file mappings as the kernel knows them.
 */
#include "capture/internal.h"

#include <bpf/btf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/objects.h"
#include "capture/probe.h"

static char last_warning[400];

static int keep_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && !last_warning[0]) {
		vsnprintf(last_warning, sizeof(last_warning), format, args);
		last_warning[strcspn(last_warning, "\n")] = '\0';
	}
	return 0;
}

static bool kernel_has(const struct btf *btf, const char *name, unsigned int kind)
{
	return btf__find_by_name_kind(btf, name, kind) > 0;
}

static bool has_vma_snapshot(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "bpf_iter_task_vma_kern_data", BTF_KIND_STRUCT);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	const struct btf_member *member = type ? btf_members(type) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, member[i].name_off);

		if (name && !strcmp(name, "snapshot"))
			return true;
	}
	return false;
}

/* Where a global variable of the object stands in its section's map. */
static int find_global(struct bpf_object *object, const char *section, const char *name, uint32_t *offset)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	const struct btf_var_secinfo *info = type ? btf_var_secinfos(type) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const struct btf_type *variable = btf__type_by_id(btf, info[i].type);

		if (!strcmp(btf__name_by_offset(btf, variable->name_off), name)) {
			*offset = info[i].offset;
			return 0;
		}
	}
	return -ENOENT;
}

static struct bpf_map *find_section(struct bpf_object *object, const char *section)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		size_t length = strlen(name), want = strlen(section);

		if (length >= want && !strcmp(name + length - want, section))
			return map;
	}
	return NULL;
}

static int configure(struct hw_kernel_side *side, const struct hw_sessions_options *options, bool iterator,
                     struct hw_error *err)
{
	struct bpf_map *map = find_section(side->object, ".rodata");
	struct hw_bpf_config *config;
	uint32_t offset;
	size_t size;
	const void *initial = map ? bpf_map__initial_value(map, &size) : NULL;
	char *data = initial ? malloc(size) : NULL;
	int r;

	if (!data || find_global(side->object, ".rodata", "config", &offset) ||
	    offset + sizeof(*config) > size) {
		free(data);
		return hw_fail(err, -EINVAL, "the BPF object has no place for its options: rebuild homeward");
	}
	memcpy(data, initial, size);
	config = (struct hw_bpf_config *)(data + offset);
	config->wake_bytes = (options->ring_bytes ? options->ring_bytes : 2 << 20) / 4;
	config->deferred_only = options->deferred_only;
	config->stack_copy_bytes = 128 << 10;
	config->truth = options->truth;
	config->frames_max = HW_FRAMES_MAX;
	config->have_vma_iterator = iterator;
	r = bpf_map__set_initial_value(map, data, size);
	free(data);
	return r ? hw_fail(err, r, "cannot set the options of the BPF object: %s", strerror(-r)) : 0;
}

static void *map_shared(int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void *map_global(struct hw_kernel_side *side, const char *section, const char *name)
{
	struct bpf_map *map = find_section(side->object, section);
	uint32_t offset;
	char *memory;

	if (!map || find_global(side->object, section, name, &offset))
		return NULL;
	memory = map_shared(bpf_map__fd(map), bpf_map__value_size(map));
	return memory ? memory + offset : NULL;
}

static int choose(const struct btf *btf, struct hw_kernel_side *side, struct hw_error *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "homeward");
	/* From 7.0 on the name with _impl is there too, but of another type. */
	bool four = kernel_has(btf, "bpf_task_work_schedule_resume", BTF_KIND_FUNC);

	if (!four && !kernel_has(btf, "bpf_task_work_schedule_resume_impl", BTF_KIND_FUNC))
		return hw_fail(
		    err, -EOPNOTSUPP,
		    "this kernel cannot run BPF on a task's way home (bpf_task_work_schedule_resume "
		    "is missing): Linux 6.18 or newer is needed");
	side->object = four ? bpf_object__open_mem(hw_bpf_object_4, hw_bpf_object_4_size, &opts)
	                    : bpf_object__open_mem(hw_bpf_object_5, hw_bpf_object_5_size, &opts);
	if (!side->object)
		return hw_fail(err, -errno, "cannot open the BPF object: %s", last_warning);
	return 0;
}

static int find_maps(struct hw_kernel_side *side)
{
	struct {
		const char *name;
		int *fd;
	} maps[] = {
	    {"rings", &side->rings},     {"tables", &side->tables},   {"table_infos", &side->table_infos},
	    {"files", &side->files},     {"targets", &side->targets}, {"uids", &side->uids},
	    {"cgroups", &side->cgroups}, {"viewers", &side->viewers},
	};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		*maps[i].fd = bpf_object__find_map_fd_by_name(side->object, maps[i].name);
		if (*maps[i].fd < 0)
			return *maps[i].fd;
	}
	return 0;
}

static void *map_of(const struct hw_kernel_side *side, const char *name, size_t size)
{
	int fd = bpf_object__find_map_fd_by_name(side->object, name);

	return fd < 0 ? NULL : map_shared(fd, size);
}

/* What is shared with the kernel through memory. */
static int map_parts(struct hw_kernel_side *side)
{
	side->infos = map_of(side, "table_infos", HW_TABLES_MAX * sizeof(struct hw_table_info));
	side->counters = map_of(side, "counters", side->cpu_count * sizeof(struct hw_counters));
	side->losses = map_of(side, "losses", 64ull * side->cpu_count * sizeof(struct hw_losses));
	side->table_generation = map_global(side, ".data", "table_generation");
	side->vdso_serial = map_global(side, ".bss", "vdso_serial");
	side->masks = map_global(side, ".bss", "masks");
	side->look = map_global(side, ".bss", "look");
	return side->infos && side->counters && side->losses && side->table_generation && side->vdso_serial &&
	               side->masks && side->look
	           ? 0
	           : -EINVAL;
}

static void size_by_cpu(struct hw_kernel_side *side, const char *name, uint32_t each)
{
	bpf_map__set_max_entries(bpf_object__find_map_by_name(side->object, name), each * side->cpu_count);
}

int hw_kernel_side_open(struct hw_kernel_side *side, const struct hw_sessions_options *options,
                        struct hw_error *err)
{
	struct btf *btf;
	int r;

	memset(side, 0, sizeof(*side));
	last_warning[0] = '\0';
	if (hw_probe_own_pids())
		return hw_fail(
		    err, -EOPNOTSUPP,
		    "in a PID namespace of its own BPF knows processes by other numbers: run outside of "
		    "the container, or in one with the PIDs of the machine");
	libbpf_set_print(keep_warning);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	r = libbpf_num_possible_cpus();
	if (r <= 0 || r > HW_CPUS_MAX)
		return hw_fail(err, -EINVAL, "cannot tell how many CPUs there are (%d)", r);
	side->cpu_count = (uint32_t)r;
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return hw_fail(
		    err, -EOPNOTSUPP,
		    "the kernel has no readable BTF (/sys/kernel/btf/vmlinux): it must be built with "
		    "CONFIG_DEBUG_INFO_BTF");
	r = choose(btf, side, err);
	if (!r)
		r = configure(side, options, has_vma_snapshot(btf), err);
	btf__free(btf);
	if (r)
		return r;
	size_by_cpu(side, "rings", 2);
	size_by_cpu(side, "counters", 1);
	size_by_cpu(side, "losses", 64);
	if (options->task_slots)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(side->object, "slots"),
		                         (uint32_t)options->task_slots);
	r = bpf_object__load(side->object);
	if (r == -EPERM) /* -EACCES is the verifier's */
		return hw_fail(err, -EPERM,
		               "no right to load BPF programs: run as root, or with CAP_BPF and CAP_PERFMON");
	if (r)
		return hw_fail(err, r, "the kernel refuses the BPF programs (%s): %s", strerror(-r),
		               last_warning);
	r = find_maps(side);
	side->on_sample = bpf_object__find_program_by_name(side->object, "on_sample");
	side->list_files = bpf_object__find_program_by_name(side->object, "list_files");
	if (!r)
		r = map_parts(side);
	if (r || !side->on_sample || !side->list_files)
		return hw_fail(err, -EINVAL, "the BPF object lacks a part: rebuild homeward");
	return 0;
}

int hw_kernel_side_open_rings(struct hw_kernel_side *side, uint32_t ring_bytes,
                              int (*record)(void *context, void *data, size_t size), void *context,
                              struct hw_error *err)
{
	for (uint32_t i = 0; i < 2 * side->cpu_count; i++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "hw_ring", 0, 0, ring_bytes, NULL);
		int r;

		if (fd < 0)
			return hw_fail(err, fd, "cannot make a ring of %u bytes for CPU %u: %s", ring_bytes,
			               i / 2, strerror(-fd));
		r = bpf_map_update_elem(side->rings, &i, &fd, BPF_ANY);
		if (!r && !side->reader) {
			side->reader = ring_buffer__new(fd, record, context, NULL);
			r = side->reader ? 0 : -errno;
		} else if (!r) {
			r = ring_buffer__add(side->reader, fd, record, context);
		}
		if (r) {
			close(fd);
			return hw_fail(err, r, "cannot read the ring of CPU %u: %s", i / 2, strerror(-r));
		}
	}
	return 0;
}

int hw_kernel_side_attach_hooks(struct hw_kernel_side *side, struct hw_error *err)
{
	static const struct {
		const char *program;
		const char *tracepoint; /* NULL: the program says itself */
	} hooks[] = {
	    {"on_leave", "sched_process_exit"},
	    {"on_leave", "sched_prepare_exec"},
	    {"on_exec", NULL},
	    {"on_fork", NULL},
	};

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		struct bpf_program *program =
		    bpf_object__find_program_by_name(side->object, hooks[i].program);
		struct bpf_link *link = NULL;

		if (program)
			link = hooks[i].tracepoint
			           ? bpf_program__attach_raw_tracepoint(program, hooks[i].tracepoint)
			           : bpf_program__attach(program);
		if (!link)
			return hw_fail(err, -errno, "cannot attach the BPF program %s: %s", hooks[i].program,
			               strerror(errno));
		if (array_push(&side->links, link)) {
			bpf_link__destroy(link);
			return hw_fail(err, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

void hw_kernel_side_close(struct hw_kernel_side *side)
{
	for (size_t i = side->links.count; i; i--)
		bpf_link__destroy(side->links.items[i - 1]);
	array_free(&side->links);
	ring_buffer__free(side->reader);
	bpf_object__close(side->object);
	side->reader = NULL;
	side->object = NULL;
}

void hw_kernel_side_count(const struct hw_kernel_side *side, struct hw_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t cpu = 0; cpu < side->cpu_count; cpu++)
		for (size_t i = 0; i < sizeof(*sum) / 8; i++)
			((uint64_t *)sum)[i] += ((const volatile uint64_t *)&side->counters[cpu])[i];
}

int hw_kernel_side_mappings(const struct hw_kernel_side *side, pid_t pid, hw_mapping_list *list,
                            struct hw_error *err)
{
	union bpf_iter_link_info info = {.task = {.pid = (uint32_t)pid}};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(side->list_files, pid ? &opts : NULL);
	size_t filled = 0;
	ssize_t got;
	char *bytes;
	int fd, r = 0;

	if (!link)
		return hw_fail(err, -errno, "cannot list file mappings: %s", strerror(errno));
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		bpf_link__destroy(link);
		return hw_fail(err, fd, "cannot list file mappings: %s", strerror(-fd));
	}
	for (;;) {
		r = array_reserve(list, filled / sizeof(*list->items) + 512);
		if (r)
			break;
		bytes = (char *)list->items;
		got = read(fd, bytes + filled, list->capacity * sizeof(*list->items) - filled);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0) {
			r = got ? -errno : 0;
			break;
		}
		filled += (size_t)got;
	}
	list->count = filled / sizeof(*list->items);
	close(fd);
	bpf_link__destroy(link);
	return r ? hw_fail(err, r, "cannot list file mappings: %s", strerror(-r)) : 0;
}
