// SPDX-License-Identifier: GPL-2.0
/* lqrun: runs a program with its TCP sockets on AF_LISTENQ, by preloading liblqrun.so. */
#include <getopt.h>
#include <linux/listenq.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "decimal.hh"
#include "environment.hh"
#include "program.hh"

namespace lqrun {
namespace {

constexpr const char *usage =
	"Usage: lqrun [OPTIONS] PROGRAM [ARGUMENTS...]\n"
	"Runs PROGRAM with its TCP sockets on AF_LISTENQ.\n"
	"\n"
	"  -b, --backlog N  this backlog in listen(), instead of the program's own\n"
	"  -a, --accept-filter NAME\n"
	"                   hold connections back from accept() until dataready, httpready,\n"
	"                   dnsready or tlsready says that enough has come\n"
	"  -s, --strict     no TCP at all where the kernel has no AF_LISTENQ\n"
	"  -f, --family N   the module's parameter family= (default: %d)\n"
	"  -v, --verbose    report on stderr each socket and each backlog changed\n"
	"  -h, --help       this\n"
	"  -V, --version    the version\n"
	"\n"
	"LISTENQ=N in the environment does what -b N does.\n";

/* One line, and out. */
[[noreturn]] void fail(int status, const std::string &why)
{
	std::fprintf(stderr, "lqrun: %s\n", why.c_str());
	std::exit(status);
}

void check_number(const char *text, int min, int max, const std::string &what)
{
	int number;
	if (!parse_decimal(text, max, number) || number < min)
		fail(1, what + " is \"" + text + "\": give a number from " + std::to_string(min) +
				" to " + std::to_string(max));
}

void check_filter(const std::string &name)
{
	for (const char *known : filters) {
		if (name == known)
			return;
	}
	fail(1,
	     "no accept filter \"" + name + "\": use dataready, httpready, dnsready or tlsready");
}

void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		fail(1, std::string("cannot set ") + name + ": " + std::strerror(errno));
}

/* Beside lqrun, where it was built; in ../lib/listenq, where it was installed. */
std::string library()
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self));
	if (size < 0 || size == sizeof(self))
		fail(1, "cannot find its own file by /proc/self/exe: mount /proc");
	std::string directory(self, static_cast<std::size_t>(size));
	directory.resize(directory.rfind('/'));

	std::string prefix = directory.substr(0, directory.rfind('/'));
	for (const std::string &file :
	     {directory + "/liblqrun.so", prefix + "/lib/listenq/liblqrun.so"}) {
		if (access(file.c_str(), R_OK) != 0)
			continue;
		/* ld.so(8) splits LD_PRELOAD at these. */
		if (file.find_first_of(": \t\n") != file.npos)
			fail(1, "\"" + file +
					"\" has a space or colon in its path, which LD_PRELOAD "
					"cannot express: move it elsewhere");
		return file;
	}
	fail(1, "liblqrun.so is neither in " + directory + " nor in " + prefix +
			"/lib/listenq: install lqrun with make install");
}

/* Before what is preloaded already; once, where lqrun runs lqrun. */
std::string preload_list(const std::string &file)
{
	const char *old = std::getenv("LD_PRELOAD");
	if (!old || !*old)
		return file;
	std::string list(old);
	if (list == file || list.starts_with(file + ':') || list.starts_with(file + ' '))
		return list;
	return file + ':' + list;
}

void parse_options(int argc, char **argv)
{
	static const option options[] = {
		{"backlog", required_argument, nullptr, 'b'},
		{"accept-filter", required_argument, nullptr, 'a'},
		{"strict", no_argument, nullptr, 's'},
		{"family", required_argument, nullptr, 'f'},
		{"verbose", no_argument, nullptr, 'v'},
		{"help", no_argument, nullptr, 'h'},
		{"version", no_argument, nullptr, 'V'},
		{nullptr, 0, nullptr, 0},
	};

	/* '+': what follows PROGRAM is PROGRAM's; ':': the messages are ours. */
	for (int c; (c = getopt_long(argc, argv, "+:b:a:sf:vhV", options, nullptr)) != -1;) {
		switch (c) {
		case 'b':
			check_number(optarg, 0, INT_MAX, "the backlog of -b");
			set(env_backlog, optarg);
			break;
		case 'a':
			check_filter(optarg);
			set(env_filter, optarg);
			break;
		case 's':
			set(env_strict, "1");
			break;
		case 'f':
			check_number(optarg, 1, 255, "the family of -f");
			set(env_family, optarg);
			break;
		case 'v':
			set(env_verbose, "1");
			break;
		case 'h':
			std::printf(usage, AF_LISTENQ);
			std::exit(0);
		case 'V':
			std::printf("lqrun %s\n", LISTENQ_VERSION);
			std::exit(0);
		case ':':
			fail(1, std::string(argv[optind - 1]) +
					" needs an argument: see \"lqrun --help\"");
		default:
			fail(1, std::string("unknown option \"") +
					(optopt ? std::string{'-', static_cast<char>(optopt)}
						: argv[optind - 1]) +
					"\": see \"lqrun --help\"");
		}
	}
}

[[noreturn]] void run(char **argv)
{
	const char *path = std::getenv("PATH");
	std::string file;
	Refusal refusal = find_program(argv[0], path ? path : "/bin:/usr/bin", file);
	if (refusal.status == 0)
		refusal = check_preloadable(file);
	if (refusal.status != 0)
		fail(refusal.status, refusal.why);

	if (const char *backlog = std::getenv(env_backlog))
		check_number(backlog, 0, INT_MAX, "$LISTENQ");
	set("LD_PRELOAD", preload_list(library()).c_str());

	execvp(argv[0], argv);
	fail(errno == ENOENT ? 127 : 126,
	     std::string("cannot execute ") + argv[0] + ": " + std::strerror(errno));
}

} // namespace
} // namespace lqrun

int main(int argc, char **argv)
{
	lqrun::parse_options(argc, argv);
	if (optind == argc)
		lqrun::fail(1, "no program to run: see \"lqrun --help\"");
	lqrun::run(argv + optind);
}
