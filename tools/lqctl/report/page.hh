/* SPDX-License-Identifier: GPL-2.0 */
/* The page of lqctl report: one HTML file that needs nothing else, no network and no script. */
#pragma once

#include <string>

#include "report/series.hh"

namespace lqctl {

[[nodiscard]] std::string report_page(const Recording &recording, const Timeline &timeline,
				      const std::string &title);

} // namespace lqctl
