// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// One step of a GRU (Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014)
// for one row, with the reset gate behind the recurrent product, as cuDNN and PyTorch have it:
//
//     r = sigmoid(u_r + w_r);    z = sigmoid(u_z + w_z)
//     n = tanh(u_n + r w_n);     h' = n + z (h - n)
//
//   u      [3H]  W_ih x + b_ih, the gates in the order r, z, n
//   w      [3H]  W_hh h + b_hh
//   h      [H]   the state before; next [H] gets the one after and may be h
//   gates  [3H]  gets r, z, n; null: not wanted
//
// On the calling thread, with the widest vectors of the machine. The bits depend on the row alone.
void gru_cell(const float* u, const float* w, const float* h, int64_t width, float* next,
              float* gates);

// With dh the gradient of h':  du [3H] of u and dw [3H] of w; dh becomes that part of the gradient
// of h which does not go through w.  gates as gru_cell gave them, w_n [H] the last third of w, h
// null: zero.
void gru_cell_backward(const float* gates, const float* w_n, const float* h, int64_t width,
                       float* dh, float* du, float* dw);

}  // namespace tandem::engine
