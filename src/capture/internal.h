/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the parts of the BPF capture share. */
#ifndef HW_CAPTURE_INTERNAL_H
#define HW_CAPTURE_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>

#include "base/array.h"
#include "capture/existing.h"
#include "capture/sessions.h"
#include "walk/compiler.h"
#include "walk/walker.h"

/* objects.c: the loaded BPF object and its maps */
struct hw_kernel_side {
	struct bpf_object *object;
	array_of(struct bpf_link *) links;
	uint32_t cpu_count; /* possible */
	int rings, tables, table_infos, files, targets, uids, cgroups, viewers;
	/* shared with the kernel */
	struct hw_table_info *infos;
	struct hw_counters *counters; /* by CPU */
	struct hw_losses *losses;     /* by 64 * cpu + session */
	struct hw_session_masks *masks;
	struct hw_slot_look *look;
	uint32_t *table_generation;
	uint32_t *vdso_serial;
	struct bpf_program *on_sample;
	struct bpf_program *list_files;
	struct ring_buffer *reader;
};
int hw_kernel_side_open(struct hw_kernel_side *side, const struct hw_sessions_options *options,
                        struct hw_error *err);
int hw_kernel_side_open_rings(struct hw_kernel_side *side, uint32_t ring_bytes,
                              int (*record)(void *context, void *data, size_t size), void *context,
                              struct hw_error *err);
int hw_kernel_side_attach_hooks(struct hw_kernel_side *side, struct hw_error *err);
void hw_kernel_side_close(struct hw_kernel_side *side);
void hw_kernel_side_count(const struct hw_kernel_side *side, struct hw_counters *sum);
/* Wait until every program that runs now without sleeping has ended. */
void hw_kernel_side_wait(const struct hw_kernel_side *side);
/* Take the sessions in forget out of all slots, count those that owe the sessions in ask: see side->look. */
int hw_kernel_side_look(struct hw_kernel_side *side, uint64_t ask, uint64_t forget);
/* Take the sessions in forget out of all processes asked for. */
int hw_kernel_side_forget_targets(struct hw_kernel_side *side, uint64_t forget);

typedef array_of(struct hw_iterated_mapping) hw_mapping_list;
/* File mappings as the kernel sees them, of one process (pid) or of all (0). */
int hw_kernel_side_mappings(const struct hw_kernel_side *side, pid_t pid, hw_mapping_list *list,
                            struct hw_error *err);

/* tables.c: tables in the kernel, their memory and who leaves when it is full */
struct hw_loaded {
	struct hw_file_key key;
	struct hw_table table; /* words are the kernel's own memory, mapped */
	uint32_t serial, slot;
	bool published; /* only then it may be thrown out */
};
#define HW_SPARE_TABLES 16
struct hw_tables {
	struct hw_kernel_side *side;
	array_of(struct hw_loaded *) loaded;
	struct hw_loaded *by_slot[HW_TABLES_MAX];
	array_of(uint32_t) emptied; /* slots whose table is out of use, but not out of memory yet */
	struct hw_loaded *spares[HW_SPARE_TABLES]; /* in their slots, still empty */
	unsigned spare_count;
	uint32_t next_serial;
	uint64_t bytes, bytes_max, rows, failures;
};
int hw_tables_init(struct hw_tables *tables, struct hw_kernel_side *side, uint64_t bytes_max,
                   struct hw_error *err);
void hw_tables_free(struct hw_tables *tables);
/* Load many at once (one wait for the kernel). keys[i] gets table[i], whose words are copied. */
int hw_tables_load(struct hw_tables *tables, const struct hw_file_key *keys, const struct hw_table *table,
                   size_t count, struct hw_error *err);
/* Are there too few spare tables? Then make new ones; that may take some hundredths of a second. */
bool hw_tables_want_spares(const struct hw_tables *tables);
int hw_tables_make_spares(struct hw_tables *tables);
/* Say that a file has no table. */
int hw_tables_refuse(struct hw_tables *tables, const struct hw_file_key *key);
const struct hw_table *hw_tables_find(const struct hw_tables *tables, uint32_t slot, uint32_t serial);

/* loader.c: files to tables, off the reader's thread */
struct hw_loader;
typedef int (*hw_loader_emit)(void *context, uint64_t sessions, const struct perf_event_header *record);
int hw_loader_new(struct hw_kernel_side *side, struct hw_tables *tables, const char *cache_directory,
                  hw_loader_emit emit, void *context, struct hw_loader **loader, struct hw_error *err);
void hw_loader_free(struct hw_loader *loader);
/* Compile and load what runs now. */
int hw_loader_load_running(struct hw_loader *loader, struct hw_error *err);
/* Hand over a struct hw_miss, hw_unfinished or hw_late of size bytes (copied). */
int hw_loader_push(struct hw_loader *loader, const void *item, size_t size);
/* A record of the side band: mappings are remembered, for misses of processes that are gone when they come.
 */
void hw_loader_saw(struct hw_loader *loader, const struct perf_event_header *record);
/* How many items were handed over, and how many of the first of these are done. */
uint64_t hw_loader_pushed(struct hw_loader *loader);
uint64_t hw_loader_handled(struct hw_loader *loader);
/* Wait until everything handed over is done. */
void hw_loader_drain(struct hw_loader *loader);
uint64_t hw_loader_finished(const struct hw_loader *loader);
uint64_t hw_loader_misses(const struct hw_loader *loader);
/* The build ID of the file mapped at (pid, start) when the loader first looked; its size, or 0. */
uint8_t hw_loader_build_id(const struct hw_loader *loader, pid_t pid, uint64_t start, uint8_t build_id[20]);

/* sideband.c: process events from the kernel */
struct hw_side_band;
int hw_side_band_open(uint32_t cpu_count, struct hw_side_band **band, struct hw_error *err);
void hw_side_band_close(struct hw_side_band *band);
int hw_side_band_enable(struct hw_side_band *band, struct hw_error *err);
int hw_side_band_read(struct hw_side_band *band, hw_emit emit, void *context, struct hw_error *err);
/* A CPU is online again: open its events anew. Everything of it was read before. */
void hw_side_band_cpu_came(struct hw_side_band *band, uint32_t cpu);
uint64_t hw_side_band_lost(const struct hw_side_band *band);

#endif
