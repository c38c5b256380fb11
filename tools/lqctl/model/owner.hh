/* SPDX-License-Identifier: GPL-2.0 */
/* Whose a listener is, as those who run machines name it: a program, a unit, a pod. */
#pragma once

#include <string>

namespace lqctl {

/* What is not known, or does not apply, is empty. */
struct Owner {
	std::string program = {}; /* comm */
	std::string cgroup = {};  /* "/system.slice/nginx.service" */
	std::string unit = {};	  /* of systemd: "nginx.service" */
	std::string pod = {};	  /* of Kubernetes: its uid */
};

/* A path as /proc/PID/cgroup has it; of one outside of our cgroup namespace, what is below it. */
[[nodiscard]] Owner owner_of_cgroup(const std::string &path);

/* Of several: what they agree on. */
[[nodiscard]] Owner in_common(const Owner &a, const Owner &b);

} // namespace lqctl
