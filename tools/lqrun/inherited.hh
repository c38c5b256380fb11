/* SPDX-License-Identifier: GPL-2.0 */
/* Listeners that were there before the program: systemd's, inetd's, any parent's. */
#pragma once

namespace lqrun {

/* Takes over those that were given to the program ($LISTEN_FDS, inetd's standard input), which
 * need not call listen(), as the options in the environment say; tells of others. How many of those
 * given stay TCP's. */
[[nodiscard]] int take_inherited(const char *program);

} // namespace lqrun
