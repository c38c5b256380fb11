/* SPDX-License-Identifier: GPL-2.0 */
/* The program that lqrun runs: where it is, and whether LD_PRELOAD can reach into it. */
#pragma once

#include <string>

namespace lqrun {

/* The exit status and the one line when there is nothing to run. */
struct Refusal {
	int status = 0; /* 0: none, go on */
	std::string why;
};

/* As execvp(3): name itself if it has a slash, else the first that can be run in path. */
[[nodiscard]] Refusal find_program(const std::string &name, const std::string &path,
				   std::string &found);

/* Refused: setuid, setgid or with file capabilities (secure-exec drops LD_PRELOAD), static, of Go,
 * for another architecture. A script is judged by its interpreter. */
[[nodiscard]] Refusal check_preloadable(const std::string &file);

/* Why it is lost to lqrun once it gave its privilege up and executes itself again; "": it is not.
 */
[[nodiscard]] std::string risky_again(const std::string &file);

} // namespace lqrun
