/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Where results go: files, standard output, the pager; and what the terminal can show. */
#include <langinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/common.h"

#define WIDTH_UNKNOWN 110
#define WIDTH_LEAST   80
#define WIDTH_MOST    160

int hw_parse_color(const char *who, const char *text, enum hw_color *color)
{
	static const char *const words[] = {"auto", "always", "never"};

	for (size_t i = 0; i < 3; i++) {
		if (!strcmp(text, words[i])) {
			*color = (enum hw_color)i;
			return 0;
		}
	}
	hw_complain(who, "--color wants auto, always or never, not '%s'", text);
	return HW_EXIT_USAGE;
}

void hw_style_of_stdout(struct hw_style *style, enum hw_color color)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(STDOUT_FILENO);
	struct winsize size;

	style->color = terminal && !(no_color && no_color[0]) && !(term && !strcmp(term, "dumb"));
	if (color != HW_COLOR_AUTO)
		style->color = color == HW_COLOR_ALWAYS;
	style->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	style->width = WIDTH_UNKNOWN;
	if (terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		style->width = size.ws_col;
	if (style->width < WIDTH_LEAST)
		style->width = WIDTH_LEAST;
	if (style->width > WIDTH_MOST)
		style->width = WIDTH_MOST;
}

/* The pager's command, NULL for none. PAGER= and PAGER=cat mean none, as in git. */
static const char *pager_command(void)
{
	const char *command = getenv("PAGER"), *term = getenv("TERM");

	if (!command)
		command = !access("/usr/bin/less", X_OK) || !access("/bin/less", X_OK) ? "less -FRX" : NULL;
	if (!command || !command[0] || !strcmp(command, "cat") || (term && !strcmp(term, "dumb")))
		return NULL;
	return command;
}

/* Start the pager with a pipe to it; without one, the output just goes to the terminal. */
static void start_pager(struct hw_output *output, const char *command)
{
	int ends[2];

	if (pipe(ends))
		return;
	fflush(stdout);
	output->pager = fork();
	if (!output->pager) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		setenv("LESS", "FRX", 0);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	output->stream = output->pager > 0 ? fdopen(ends[1], "w") : NULL;
	if (!output->stream) {
		output->pager = 0;
		output->stream = stdout;
		close(ends[1]);
		return;
	}
	/* When the reader has seen enough: writing fails, and we still wait for the pager to end. */
	signal(SIGPIPE, SIG_IGN);
}

void hw_output_stdout(struct hw_output *output, const char *who, bool pager)
{
	const char *command = pager && isatty(STDOUT_FILENO) ? pager_command() : NULL;

	*output = (struct hw_output){.who = who, .path = "standard output", .stream = stdout};
	if (command)
		start_pager(output, command);
}

int hw_refuse_own_input(const char *who, const char *path, const char *input)
{
	struct stat out, in;

	if (!strcmp(path, "-") || !strcmp(input, "-") || stat(path, &out) || stat(input, &in) ||
	    out.st_dev != in.st_dev || out.st_ino != in.st_ino || !S_ISREG(in.st_mode))
		return HW_EXIT_OK;
	return hw_complain(who, "%s is the recording that is read: choose another output", path);
}

int hw_output_file(struct hw_output *output, const char *who, const char *path, const char *input)
{
	if (hw_refuse_own_input(who, path, input))
		return HW_EXIT_FAILURE;
	if (!strcmp(path, "-")) {
		hw_output_stdout(output, who, false);
		return HW_EXIT_OK;
	}
	*output = (struct hw_output){.who = who, .path = path, .stream = fopen(path, "we")};
	return output->stream ? HW_EXIT_OK : hw_complain(who, "cannot write %s: %s", path, strerror(errno));
}

int hw_output_close(struct hw_output *output)
{
	bool failed = ferror(output->stream);
	int error = errno, status;

	/* A FILE keeps that something failed, but not why: flush errors are the mostly telling ones. */
	if (fflush(output->stream)) {
		failed = true;
		error = errno;
	}
	if (output->stream != stdout && fclose(output->stream)) {
		failed = true;
		error = errno;
	}
	if (output->pager) {
		while (waitpid(output->pager, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && (WEXITSTATUS(status) == 127 || WEXITSTATUS(status) == 126))
			return hw_complain(output->who, "the pager cannot be run: set PAGER to another, or "
			                                "take --no-pager");
		return HW_EXIT_OK; /* a pager that was left early is no failure */
	}
	return failed ? hw_complain(output->who, "cannot write %s: %s", output->path, strerror(error))
	              : HW_EXIT_OK;
}
