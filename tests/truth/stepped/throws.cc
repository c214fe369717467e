// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Exceptions: thrown through frames with destructors, caught, thrown on.
#include <stdexcept>
#include <string>

extern "C" int throws(int depth);

static int live;

struct Guard {
	std::string text;
	explicit Guard(int depth) : text(std::to_string(depth))
	{
		live++;
	}
	~Guard()
	{
		live--;
	}
};

__attribute__((noinline)) static int deeper(int depth)
{
	Guard guard(depth);

	if (depth == 0)
		throw std::runtime_error("here");
	return deeper(depth - 1) + 1;
}

__attribute__((noinline)) static int middle(int depth)
{
	try {
		return deeper(depth);
	} catch (const std::logic_error &) {
		return -1;
	} catch (const std::runtime_error &) {
		Guard guard(1);
		throw;
	}
}

int throws(int depth)
{
	try {
		return middle(depth);
	} catch (const std::exception &error) {
		return live + (int)std::string(error.what()).size();
	}
}
