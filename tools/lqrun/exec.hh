/* SPDX-License-Identifier: GPL-2.0 */
/* What the library does where the program becomes another one. */
#pragma once

namespace lqrun {

/* Before main(): dlsym() is nothing for a child that shares its parent's memory. */
void find_next_exec();

/* This process is the server; its children's programs are their own affair (CGI, shells). */
void watch_this_process();

} // namespace lqrun
