/* SPDX-License-Identifier: GPL-2.0 */
/* TCP's sockets become ours: setsockopt(TCP_ULP, "listenq"). */
#ifndef LISTENQ_ADOPT_H
#define LISTENQ_ADOPT_H

int lq_adopt_init(void);
void lq_adopt_exit(void);

#endif
