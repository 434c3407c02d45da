// How alike the samples of a batch are (minibatch discrimination, Salimans et al. 2016, section 3.2). m is [N, B, C]: N
// samples with B features of C numbers. With d_ij = sum_c |m_ibc - m_jbc|, k_ij = exp(-d_ij), s_ijc = sign(m_ibc - m_jbc),
// for each b, the sums over j != i. Nothing of size N x N is held. All f32.
//
//   minibatchSimilarity          m          -> y [N, B] = sum_j k_ij
//   minibatchSimilarityGrad      gy, m      -> dm = -sum_j k_ij s_ijc (gy_i + gy_j)
//   minibatchSimilarityGradGrad  h, gy, m   with q_ij = sum_c s_ijc (h_ic - h_jc), h being the cotangent of dm
//       -> dgy = -sum_j k_ij q_ij, dm = sum_j k_ij q_ij s_ijc (gy_i + gy_j)
#pragma once
#include "../engine/call.h"
