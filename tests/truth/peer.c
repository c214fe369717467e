/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "peer.h"

#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#define PEER_TID       1
#define RETURN_ADDRESS 16 /* DWARF number on x86-64 */

struct peer {
	Dwfl *dwfl;
	bool attached;
	const struct truth_walk *truth; /* the one being walked */
	struct peer_walk *walk;
};

static int find_nothing(Dwfl_Module *mod, void **userdata, const char *modname, Dwarf_Addr base,
                        const char *file_name, const char *debuglink_file, GElf_Word debuglink_crc,
                        char **debuginfo_file_name)
{
	(void)mod, (void)userdata, (void)modname, (void)base, (void)file_name, (void)debuglink_file;
	(void)debuglink_crc, (void)debuginfo_file_name;
	return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *dwfl_arg, void **thread_argp)
{
	(void)dwfl;
	if (*thread_argp)
		return 0;
	*thread_argp = dwfl_arg;
	return PEER_TID;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *dwfl_arg, void **thread_argp)
{
	(void)dwfl;
	*thread_argp = dwfl_arg;
	return tid == PEER_TID;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *dwfl_arg)
{
	struct peer *peer = dwfl_arg;
	uint64_t at = address - peer->truth->walk->stack_address;
	uint32_t size = peer->truth->walk->stack_size;

	(void)dwfl;
	if (at >= size || size - at < sizeof(*result)) {
		peer->walk->beyond_copy = true;
		return false;
	}
	memcpy(result, peer->truth->stack + at, sizeof(*result));
	return true;
}

static bool set_initial_registers(Dwfl_Thread *thread, void *thread_arg)
{
	const struct hw_unfinished *u = ((struct peer *)thread_arg)->truth->walk;
	Dwarf_Word registers[17];

	for (int i = 0; i < 16; i++)
		registers[i] = u->walk.reg[i];
	registers[16] = u->walk.pc;
	return dwfl_thread_state_registers(thread, 0, 17, registers);
}

static const Dwfl_Callbacks callbacks = {.find_debuginfo = find_nothing};
static const Dwfl_Thread_Callbacks thread_callbacks = {.next_thread = next_thread,
                                                       .get_thread = get_thread,
                                                       .memory_read = memory_read,
                                                       .set_initial_registers = set_initial_registers};

struct peer *peer_new(const struct hw_mapping *mappings, const struct module *const *modules, uint32_t count)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	uint64_t bias, last_bias = 0;
	const struct module *last = NULL;

	if (!peer)
		abort();
	peer->dwfl = dwfl_begin(&callbacks);
	dwfl_report_begin(peer->dwfl);
	for (uint32_t i = 0; i < count; i++) {
		if (!modules[i] || !module_is_whole(modules[i], mappings[i].start, mappings[i].offset))
			continue;
		bias = module_bias(modules[i], mappings[i].start, mappings[i].offset);
		if (modules[i] == last && bias == last_bias)
			continue; /* a second executable segment */
		last = modules[i];
		last_bias = bias;
		dwfl_report_elf(peer->dwfl, last->path, last->path, -1, bias, true);
	}
	dwfl_report_end(peer->dwfl, NULL, NULL);
	peer->attached = dwfl_attach_state(peer->dwfl, NULL, PEER_TID, &thread_callbacks, peer);
	return peer;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	dwfl_end(peer->dwfl);
	free(peer);
}

static int keep_frame(Dwfl_Frame *state, void *arg)
{
	struct peer_walk *walk = ((struct peer *)arg)->walk;
	struct peer_frame *frame = &walk->frames[walk->depth];

	if (walk->depth == PEER_FRAMES_MAX)
		return DWARF_CB_ABORT;
	if (!dwfl_frame_pc(state, &frame->pc, &frame->exact))
		return DWARF_CB_ABORT;
	walk->depth++;
	return DWARF_CB_OK;
}

void peer_walk(struct peer *peer, const struct truth_walk *truth, struct peer_walk *walk)
{
	int r;

	memset(walk, 0, offsetof(struct peer_walk, depth));
	walk->depth = 0;
	walk->complete = walk->beyond_copy = false;
	walk->reason = NULL;
	if (!peer->attached) {
		walk->reason = "no module to walk with";
		return;
	}
	peer->truth = truth;
	peer->walk = walk;
	dwfl_errno();
	r = dwfl_getthread_frames(peer->dwfl, PEER_TID, keep_frame, peer);
	if (!r) {
		walk->complete = true; /* but a return address that it could not read counts as none */
		walk->reason = walk->beyond_copy ? "memory that is not in the stack copy" : "complete";
	} else if (r == DWARF_CB_ABORT) {
		walk->reason = "deeper than is compared";
	} else {
		walk->reason = dwfl_errmsg(dwfl_errno());
		if (walk->beyond_copy)
			walk->reason = "memory that is not in the stack copy";
		else if (!walk->reason)
			walk->reason = "no reason given";
	}
}

/* The call frame information of a frame, to be freed, or NULL. */
static Dwarf_Frame *find_cfi(struct peer *peer, const struct peer_frame *frame)
{
	Dwarf_Addr address = frame->exact ? frame->pc : frame->pc - 1, bias;
	Dwfl_Module *module = dwfl_addrmodule(peer->dwfl, address);
	Dwarf_Frame *found;
	Dwarf_CFI *cfi;

	for (int i = 0; module && i < 2; i++) {
		cfi = i ? dwfl_module_dwarf_cfi(module, &bias) : dwfl_module_eh_cfi(module, &bias);
		if (cfi && !dwarf_cfi_addrframe(cfi, address - bias, &found))
			return found;
	}
	return NULL;
}

bool peer_knows(struct peer *peer, const struct peer_frame *frame)
{
	Dwarf_Frame *found = find_cfi(peer, frame);

	free(found);
	return found;
}

bool peer_has_caller(struct peer *peer, const struct peer_frame *frame)
{
	Dwarf_Frame *found = find_cfi(peer, frame);
	Dwarf_Op memory[3], *ops = NULL;
	size_t count = 0;
	bool has;

	/* undefined: no operations, in the memory given */
	has = found && !dwarf_frame_register(found, RETURN_ADDRESS, memory, &ops, &count) &&
	      !(count == 0 && ops == memory);
	free(found);
	return has;
}
