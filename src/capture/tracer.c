/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Every stop of a traced thread is one of: a new thread's or process's first stop, an event told by its
 * parent or by execve, the stop that was asked for to sample it, a signal on its way to it, or a group stop.
 * All but the last are answered at once, signals with the signal; in a group stop (SIGSTOP …) the thread
 * stays until it is continued, and goes on being traced (PTRACE_LISTEN).
 */
#include "capture/tracer.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "capture/tracee.h"
#include "capture/tracer_tell.h"
#include "perfdata/records.h"

#define TRACE_OPTIONS    (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)
#define OWED_PERIODS_MAX 20u /* of a thread that is never seen running */
#define SWEEP_SHARE      10u /* looking for whom to stop takes at most one in so many of the time */
#define ADD_ROUNDS       10

struct ended {
	pid_t pid;
	int wait_status;
};

struct hw_tracer {
	struct hw_finisher *finisher;
	uint64_t period_ns;
	uint32_t stack_bytes;
	pthread_t thread;
	bool running;
	atomic_bool sampling, quit; /* sampling: teller.telling too */
	/* The tracer's own. */
	struct hw_tracee *tracees;
	struct hw_teller teller;
	uint8_t *stack; /* room for two of stack_bytes */
	uint64_t sweep_after_ns;
	/* Shared, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pid_t to_add; /* 0: nothing */
	int add_result;
	struct hw_error add_error;
	array_of(pid_t) added;
	array_of(struct ended) ended;
	uint64_t stops, stopped_ns;
};

int hw_tracer_tell_lost(struct hw_tracer *tracer, uint64_t count)
{
	struct hw_record_id id = {.time_ns = hw_now_ns()};
	uint64_t buffer[16];

	if (hw_build_lost_samples(buffer, sizeof(buffer), &id, count) < 0)
		return -EINVAL;
	return hw_finisher_push_record(tracer->finisher, (const void *)buffer);
}

/* ---- traced threads ---- */

static struct hw_tracee *find(struct hw_tracer *tracer, pid_t tid)
{
	struct hw_tracee *tracee;

	HASH_FIND_INT(tracer->tracees, &tid, tracee);
	return tracee;
}

static struct hw_tracee *add_tracee(struct hw_tracer *tracer, pid_t tid)
{
	struct hw_tracee *tracee = calloc(1, sizeof(*tracee));

	if (!tracee)
		return NULL;
	tracee->tid = tid;
	HASH_ADD_INT(tracer->tracees, tid, tracee);
	return tracee;
}

static void remove_tracee(struct hw_tracer *tracer, struct hw_tracee *tracee)
{
	HASH_DEL(tracer->tracees, tracee);
	free(tracee);
}

/* A thread or process that the kernel has attached for us, at its first stop. */
static void welcome(struct hw_tracer *tracer, struct hw_tracee *tracee)
{
	pid_t parent;

	if (!hw_tracee_ids(tracee->tid, &tracee->pid, &parent))
		return;
	hw_tracee_cpu_ns(tracee->pid, tracee->tid, &tracee->cpu_ns);
	/* As if it had begun at any moment between two samples: short lives count in the mean. */
	tracee->owed_ns = (uint64_t)tracee->tid * 2654435761u % tracer->period_ns;
	if (tracee->pid != tracee->tid)
		hw_tell_task(&tracer->teller, PERF_RECORD_FORK, tracee->pid, tracee->tid, tracee->pid);
	else if (find(tracer, parent)) /* else it is an orphan already: its mappings are read when needed */
		hw_tell_task(&tracer->teller, PERF_RECORD_FORK, tracee->pid, tracee->tid, parent);
}

/* After execve only one thread is left, and it has the process's number. */
static void on_exec(struct hw_tracer *tracer, struct hw_tracee *tracee)
{
	struct hw_tracee *each, *next;

	HASH_ITER (hh, tracer->tracees, each, next) {
		if (each->pid == tracee->pid && each != tracee)
			remove_tracee(tracer, each);
	}
	tracee->asked = false;
	hw_tell_forget(&tracer->teller, tracee->pid);
	hw_tell_exec(&tracer->teller, tracee->pid);
	hw_tell_maps(&tracer->teller, tracee->pid, hw_now_ns());
}

static void on_death(struct hw_tracer *tracer, pid_t tid, int wait_status)
{
	struct hw_tracee *tracee = find(tracer, tid);
	struct ended ended = {.pid = tid, .wait_status = wait_status};

	if (!tracee)
		return;
	hw_tell_task(&tracer->teller, PERF_RECORD_EXIT, tracee->pid, tid, tracee->pid);
	if (tracee->pid == tid)
		hw_tell_forget(&tracer->teller, tid);
	remove_tracee(tracer, tracee);
	pthread_mutex_lock(&tracer->lock);
	array_for_each (&tracer->added, pid)
		if (*pid == tid)
			array_push(&tracer->ended, ended);
	pthread_cond_broadcast(&tracer->changed);
	pthread_mutex_unlock(&tracer->lock);
}

static void sample(struct hw_tracer *tracer, struct hw_tracee *tracee, uint64_t time_ns)
{
	struct hw_stack_copy copy = {.pid = (uint32_t)tracee->pid,
	                             .tid = (uint32_t)tracee->tid,
	                             .time_ns = time_ns,
	                             .period = tracer->period_ns};

	if (!hw_tracee_registers(tracee->tid, &copy))
		return;
	hw_tell_maps(&tracer->teller, tracee->pid, time_ns);
	if (!copy.refusal)
		hw_tracee_stacks(tracee->pid, &copy, tracer->stack, tracer->stack_bytes);
	hw_finisher_push_copy(tracer->finisher, &copy, NULL, tracer->stack); /* else it is counted */
}

static void on_asked_stop(struct hw_tracer *tracer, struct hw_tracee *tracee)
{
	tracee->asked = false;
	tracee->owed_ns -= tracee->owed_ns < tracer->period_ns ? tracee->owed_ns : tracer->period_ns;
	sample(tracer, tracee, hw_now_ns());
}

static void count_stop(struct hw_tracer *tracer, uint64_t since_ns)
{
	pthread_mutex_lock(&tracer->lock);
	tracer->stops++;
	tracer->stopped_ns += hw_now_ns() - since_ns;
	pthread_mutex_unlock(&tracer->lock);
}

static bool is_group_stop(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void on_stop(struct hw_tracer *tracer, pid_t tid, int wait_status)
{
	const int event = wait_status >> 16, signal = WSTOPSIG(wait_status);
	struct hw_tracee *tracee = find(tracer, tid);
	uint64_t since_ns = 0;

	if (!tracee)
		tracee = add_tracee(tracer, tid);
	if (tracee && !tracee->pid)
		welcome(tracer, tracee);
	if (event == PTRACE_EVENT_STOP && is_group_stop(signal)) {
		ptrace(PTRACE_LISTEN, tid, NULL, NULL);
		return;
	}
	if (tracee && event == PTRACE_EVENT_EXEC) {
		on_exec(tracer, tracee);
	} else if (tracee && event == PTRACE_EVENT_STOP && tracee->asked) {
		since_ns = tracee->asked_ns;
		on_asked_stop(tracer, tracee);
	}
	ptrace(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)(event ? 0 : signal));
	if (since_ns)
		count_stop(tracer, since_ns);
}

/* ---- whom to stop ---- */

static void consider(struct hw_tracer *tracer, struct hw_tracee *tracee)
{
	uint64_t cpu_ns;

	if (!tracee->pid || tracee->asked || !hw_tracee_cpu_ns(tracee->pid, tracee->tid, &cpu_ns))
		return;
	if (cpu_ns > tracee->cpu_ns)
		tracee->owed_ns += cpu_ns - tracee->cpu_ns;
	tracee->cpu_ns = cpu_ns;
	if (tracee->owed_ns > OWED_PERIODS_MAX * tracer->period_ns)
		tracee->owed_ns = OWED_PERIODS_MAX * tracer->period_ns;
	if (tracee->owed_ns < tracer->period_ns || !hw_tracee_runs(tracee->pid, tracee->tid))
		return;
	tracee->asked_ns = hw_now_ns();
	tracee->asked = !ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL);
}

static void sweep(struct hw_tracer *tracer)
{
	const uint64_t begun_ns = hw_now_ns();
	struct hw_tracee *each, *next;
	uint64_t end_ns;

	if (begun_ns < tracer->sweep_after_ns)
		return;
	HASH_ITER (hh, tracer->tracees, each, next) {
		consider(tracer, each);
	}
	end_ns = hw_now_ns();
	tracer->sweep_after_ns = begun_ns + SWEEP_SHARE * (end_ns - begun_ns);
	if (tracer->sweep_after_ns < begun_ns + tracer->period_ns * 3 / 4)
		tracer->sweep_after_ns = begun_ns + tracer->period_ns * 3 / 4;
}

/* ---- the thread ---- */

static int seize_threads(struct hw_tracer *tracer, pid_t pid, size_t *added)
{
	struct dirent *entry;
	char path[32];
	DIR *tasks;
	int r = 0;

	*added = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return -ESRCH;
	while (!r && (entry = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct hw_tracee *tracee;

		if (tid <= 0 || find(tracer, tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)TRACE_OPTIONS)) {
			r = errno == ESRCH ? 0 : -errno;
			continue;
		}
		tracee = add_tracee(tracer, tid);
		r = tracee ? 0 : -ENOMEM;
		if (tracee) {
			tracee->pid = pid;
			hw_tracee_cpu_ns(pid, tid, &tracee->cpu_ns);
		}
		++*added;
	}
	closedir(tasks);
	return r;
}

static void add_asked(struct hw_tracer *tracer)
{
	size_t added = 1;
	pid_t pid;
	int r = 0;

	pthread_mutex_lock(&tracer->lock);
	pid = tracer->to_add;
	pthread_mutex_unlock(&tracer->lock);
	if (!pid)
		return;
	for (int round = 0; round < ADD_ROUNDS && added && !r; round++)
		r = seize_threads(tracer, pid, &added);
	pthread_mutex_lock(&tracer->lock);
	if (!r)
		r = array_push(&tracer->added, pid);
	tracer->add_result = r;
	tracer->to_add = 0;
	pthread_cond_broadcast(&tracer->changed);
	pthread_mutex_unlock(&tracer->lock);
}

/* What is there at the start. */
static void tell_existing(struct hw_tracer *tracer)
{
	struct hw_tracee *each, *next;

	HASH_ITER (hh, tracer->tracees, each, next) {
		if (each->pid == each->tid)
			hw_tell_existing(&tracer->teller, each->pid);
	}
}

static void on_tick(int signal)
{
	(void)signal;
}

/* A signal to this thread each half a period, to interrupt its wait. */
static bool set_timer(const struct hw_tracer *tracer, timer_t *timer)
{
	struct sigaction action = {.sa_handler = on_tick};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
	const uint64_t half_ns = tracer->period_ns < 100000000 ? tracer->period_ns / 2 : 50000000;
	struct itimerspec every = {.it_interval = {.tv_nsec = (long)half_ns},
	                           .it_value = {.tv_nsec = (long)half_ns}};

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	sigaction(SIGURG, &action, NULL); /* without SA_RESTART */
	return !timer_create(CLOCK_MONOTONIC, &event, timer) && !timer_settime(*timer, 0, &every, NULL);
}

static void *run(void *argument)
{
	struct hw_tracer *tracer = argument;
	timer_t timer = NULL;
	bool told = false;
	sigset_t set;
	int status;
	pid_t tid;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	set_timer(tracer, &timer);
	while (!tracer->quit) {
		add_asked(tracer);
		/* __WNOTHREAD: only what this thread traces. Nothing traced: ECHILD at once. */
		tid = waitpid(-1, &status, __WALL | __WNOTHREAD);
		if (tid > 0 && WIFSTOPPED(status))
			on_stop(tracer, tid, status);
		else if (tid > 0)
			on_death(tracer, tid, status);
		else if (errno == ECHILD)
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
		if (tracer->sampling && !told) {
			tell_existing(tracer);
			told = true;
		}
		if (told)
			sweep(tracer);
	}
	if (timer)
		timer_delete(timer);
	return NULL; /* and the kernel lets go of all that are traced */
}

int hw_tracer_new(struct hw_finisher *finisher, uint64_t period_ns, uint32_t stack_bytes,
                  struct hw_tracer **result, struct hw_error *err)
{
	struct hw_tracer *tracer = calloc(1, sizeof(*tracer));
	int r;

	if (!tracer)
		return hw_fail(err, -ENOMEM, "out of memory");
	tracer->finisher = finisher;
	tracer->teller.finisher = finisher;
	tracer->period_ns = period_ns;
	tracer->stack_bytes = stack_bytes;
	tracer->stack = malloc(2 * (size_t)stack_bytes);
	pthread_mutex_init(&tracer->lock, NULL);
	pthread_cond_init(&tracer->changed, NULL);
	r = tracer->stack ? -pthread_create(&tracer->thread, NULL, run, tracer) : -ENOMEM;
	tracer->running = !r;
	if (r) {
		hw_tracer_free(tracer);
		return hw_fail(err, r, "cannot start the tracer's thread: %s", strerror(-r));
	}
	*result = tracer;
	return 0;
}

void hw_tracer_stop(struct hw_tracer *tracer)
{
	if (!tracer->running)
		return;
	tracer->quit = true;
	pthread_join(tracer->thread, NULL);
	pthread_mutex_lock(&tracer->lock);
	tracer->running = false;
	pthread_mutex_unlock(&tracer->lock);
}

void hw_tracer_free(struct hw_tracer *tracer)
{
	struct hw_tracee *tracee, *next_tracee;

	if (!tracer)
		return;
	hw_tracer_stop(tracer);
	HASH_ITER (hh, tracer->tracees, tracee, next_tracee) {
		remove_tracee(tracer, tracee);
	}
	hw_tell_free(&tracer->teller);
	array_free(&tracer->added);
	array_free(&tracer->ended);
	free(tracer->stack);
	free(tracer);
}

int hw_tracer_add(struct hw_tracer *tracer, pid_t pid, struct hw_error *err)
{
	int r;

	pthread_mutex_lock(&tracer->lock);
	tracer->to_add = pid;
	while (tracer->to_add)
		pthread_cond_wait(&tracer->changed, &tracer->lock);
	r = tracer->add_result;
	pthread_mutex_unlock(&tracer->lock);
	if (r == -EPERM || r == -EACCES)
		return hw_fail(err, -EPERM,
		               "no right to trace process %d: only a command of one's own can be (homeward "
		               "record -- COMMAND)",
		               (int)pid);
	return r ? hw_fail(err, r, "cannot trace process %d: %s", (int)pid, strerror(-r)) : 0;
}

void hw_tracer_start(struct hw_tracer *tracer)
{
	tracer->teller.telling = true;
	tracer->sampling = true;
}

void hw_tracer_wait(struct hw_tracer *tracer, int timeout_ms)
{
	struct timespec until;
	size_t before;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000l;
	if (until.tv_nsec >= 1000000000l) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000l;
	}
	pthread_mutex_lock(&tracer->lock);
	before = tracer->ended.count;
	while (tracer->ended.count == before &&
	       !pthread_cond_timedwait(&tracer->changed, &tracer->lock, &until))
		;
	pthread_mutex_unlock(&tracer->lock);
}

int hw_tracer_ended(struct hw_tracer *tracer, pid_t pid, int *wait_status)
{
	int found = -1;

	pthread_mutex_lock(&tracer->lock);
	array_for_each (&tracer->added, each)
		if (*each == pid && tracer->running)
			found = 0;
	array_for_each (&tracer->ended, each) {
		if (each->pid != pid)
			continue;
		*wait_status = each->wait_status;
		found = 1;
	}
	pthread_mutex_unlock(&tracer->lock);
	return found;
}

void hw_tracer_cost(struct hw_tracer *tracer, uint64_t *stops, uint64_t *stopped_ns)
{
	pthread_mutex_lock(&tracer->lock);
	*stops = tracer->stops;
	*stopped_ns = tracer->stopped_ns;
	pthread_mutex_unlock(&tracer->lock);
}
