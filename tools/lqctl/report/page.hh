/* SPDX-License-Identifier: GPL-2.0 */
/* The page of lqctl report: one HTML file that needs nothing else, no network and no script. */
#pragma once

#include <string>
#include <vector>

#include "report/series.hh"

namespace lqctl {

/* What was recorded on one machine. */
struct Host {
	std::string name;
	const Recording *recording;
	Timeline timeline; /* points into the recording */
};

/* First what is wrong, of all of them; then each. Several have their names before their listeners'.
 */
[[nodiscard]] std::string report_page(const std::vector<Host> &hosts, const std::string &title);

} // namespace lqctl
