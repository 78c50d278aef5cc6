/* worker_files: the programs that this machine can send: workers, one for each architecture, and others. */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "transport/worker/upload.h"

#define PREFIX "worker-linux-"

CLEANUP_DEFINE(DIR, closedir)

static int load_one(
	const char *path, const char *arch, struct worker_file *out, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return err_set(err, ERR_FAILED, "%s: not a program", path);
	/* a file that is built anew meanwhile gets another inode: the mapping stays what it is */
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(err, errno, "%s", path);
	*out = (struct worker_file){
		.data = data, .size = (size_t)st.st_size, .path = realpath(path, NULL)};
	if (!out->path)
		abort();
	strncpy(out->arch, arch, sizeof(out->arch) - 1);
	digest_sha256_hex(data, out->size, out->sha256);
	return 0;
}

/* Machines as ELF has them (elf.h, e_machine) and as uname -m says. */
static const struct {
	uint16_t number;
	const char *arch;
} machines[] = {{EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_386, "i686"},
	{EM_ARM, "armv7l"}, {EM_PPC64, "ppc64le"}, {EM_S390, "s390x"},
	{EM_RISCV, "riscv64"}};

int program_file_load(
	const char *path, const char *name, struct worker_file *ret, struct err *err)
{
	Elf64_Ehdr head;
	const char *arch = "";

	if (load_one(path, "", ret, err) < 0)
		return -1;
	ret->name = name;
	if (ret->size < sizeof(head) || memcmp(ret->data, ELFMAG, SELFMAG) != 0)
		return 0; /* a script: the host will say */
	memcpy(&head, ret->data, sizeof(head));
	for (size_t i = 0; i < ARRAY_LEN(machines); i++)
		if (machines[i].number == head.e_machine)
			arch = machines[i].arch;
	snprintf(ret->arch, sizeof(ret->arch), "%s", arch);
	return 0;
}

static bool have(const struct worker_file *files, size_t n, const char *arch)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(files[i].arch, arch) == 0)
			return true;
	return false;
}

static bool is_arch(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n && !s[n] && n < sizeof(((struct worker_file *)NULL)->arch);
}

static int load_folder(const char *folder, struct worker_file *out, size_t *n, size_t max,
	struct err *err)
{
	CLEANUP(cleanup_closedir) DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && *n < max && (e = readdir(dir))) {
		const char *arch = e->d_name + strlen(PREFIX);
		AUTO_FREE char *path = NULL;

		if (!text_starts_with(e->d_name, PREFIX) || !is_arch(arch) ||
			have(out, *n, arch))
			continue;
		path = text_printf("%s/%s", folder, e->d_name);
		if (!path)
			abort();
		if (load_one(path, arch, &out[*n], err) < 0)
			return -1;
		++*n;
	}
	return 0;
}

int worker_files_load(
	const char *const *folders, struct worker_file *out, size_t max, struct err *err)
{
	AUTO_BUF struct buf tried = BUF_INIT;
	size_t n = 0;

	for (; *folders; folders++) {
		if (load_folder(*folders, out, &n, max, err) < 0) {
			worker_files_finish(out, n);
			return -1;
		}
		buf_printf(&tried, "%s%s", tried.len ? ", " : "", *folders);
	}
	if (!n)
		return err_set(err, ERR_FAILED,
			"no worker program: there is no " PREFIX
			"ARCH in %s (MUSTER_WORKER_DIR names "
			"another folder)",
			tried.data ? tried.data : "no folder at all");
	return (int)n;
}

void worker_files_finish(struct worker_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(files[i].path);
		if (files[i].data)
			munmap(files[i].data, files[i].size);
		files[i] = (struct worker_file){.path = NULL};
	}
}
