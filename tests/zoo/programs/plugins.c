/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A library that is loaded, called and unloaded in a loop; two copies take turns at about the same address.
 */
#include <dlfcn.h>

#include "zoo.h"

STEP static void called_back(void)
{
	burn(30000);
	STAY;
}

int main(int argc, char **argv)
{
	void (*work)(void (*)(void));
	void *library;

	zoo_begin(argc, argv);
	for (unsigned i = 0; zoo_goes_on(); i++) {
		library = dlopen(i & 1 ? "./plugin-a.so" : "./plugin-b.so", RTLD_NOW);
		if (!library) {
			fprintf(stderr, "plugins: %s\n", dlerror());
			return 1;
		}
		*(void **)&work = dlsym(library, "plugin_work");
		for (int k = 0; k < 20; k++)
			work(called_back);
		dlclose(library);
	}
	return 0;
}
